//! The memory that the prefix codes of a lossless bitstream take in the decoder.
//!
//! RFC 9649 lets an image name 65 536 groups of five codes, whatever its size. A code of 11 symbols is 8 bytes in the file and
//! a table of 4 KiB in the decoder, which keeps all of them: 2.6 MB can ask for 1.3 GB. How many groups there are
//! stands behind the images that describe the transforms, so these are read too. Only symbols are: where a pixel is copied from
//! does not change what follows, and the number of groups is decided by pixels that are written out.

/// Sizes of the five alphabets without a colour cache: green with lengths, red, blue, alpha, distances.
const ALPHABETS: [u16; 5] = [256 + 24, 256, 256, 256, 40];

/// The order in which the lengths of the code for code lengths are written.
const LENGTH_ORDER: [usize; 19] = [17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// The longest code, bits.
const LONGEST: usize = 15;

/// What the decoder looks up at once, bits; longer codes go on in a tree.
const TABLE_BITS: usize = 10;

/// A node of that tree; two a symbol.
const NODE_BYTES: u64 = 16;

/// A group beside its tables, in a list that grows by doubling.
const GROUP_BYTES: u64 = 3 * 5 * 64;

/// The bytes that decoding the stream takes for prefix codes. `stream` begins behind the header with the dimensions, and
/// `size` is what that says, px. Where the stream is damaged, the decoder stops too, and so does the count.
pub(super) fn memory_bytes(stream: &[u8], size: (u32, u32)) -> u64 {
    let mut reader = Reader { bits: Bits { bytes: stream, at: 0 }, most_bytes: 0 };
    // Either way it has met all that the decoder would.
    let _ = reader.image(size);
    reader.most_bytes
}

struct Reader<'a> {
    bits: Bits<'a>,
    /// the most that was held at once: one image's codes are gone when the next one's come
    most_bytes: u64,
}

impl Reader<'_> {
    /// `None` where the stream ends or is damaged.
    fn image(&mut self, (width, height): (u32, u32)) -> Option<()> {
        let mut width = width;
        let mut seen = [false; 4];
        while self.bits.read(1)? == 1 {
            let kind = self.bits.read(2)? as usize;
            if std::mem::replace(&mut seen[kind], true) {
                return None;
            }
            match kind {
                // Prediction and colour: an image of blocks.
                0 | 1 => {
                    let side = 1 << (self.bits.read(3)? + 2);
                    self.inner_image(width.div_ceil(side), height.div_ceil(side))?;
                }
                // Subtract green.
                2 => {}
                // A palette; up to eight pixels share a byte then.
                _ => {
                    let colours = self.bits.read(8)? + 1;
                    self.inner_image(colours, 1)?;
                    let shared = match colours {
                        0..=2 => 8,
                        3..=4 => 4,
                        5..=16 => 2,
                        _ => 1,
                    };
                    width = width.div_ceil(shared);
                }
            }
        }
        let cache = self.colour_cache()?;
        let mut groups = 1;
        if self.bits.read(1)? == 1 {
            let side = 1 << (self.bits.read(3)? + 2);
            groups = self.inner_image(width.div_ceil(side), height.div_ceil(side))? + 1;
        }
        let mut bytes = 0;
        for _ in 0..groups {
            let group = self.group(cache);
            bytes += GROUP_BYTES + group.as_ref().map_or(0, Group::memory_bytes);
            self.most_bytes = self.most_bytes.max(bytes);
            group?;
        }
        Some(())
    }

    /// An image with one group of codes. Returns the largest red and green of its pixels as one number, which is what
    /// names a group.
    fn inner_image(&mut self, width: u32, height: u32) -> Option<u32> {
        let cache = self.colour_cache()?;
        let group = self.group(cache)?;
        self.most_bytes = self.most_bytes.max(GROUP_BYTES + group.memory_bytes());
        let [green, red, blue, alpha, distance] = &group.0;
        let mut left = u64::from(width) * u64::from(height);
        let mut largest = 0;
        while left > 0 {
            let symbol = green.symbol(&mut self.bits)?;
            match symbol {
                0..256 => {
                    let red_symbol = red.symbol(&mut self.bits)?;
                    blue.symbol(&mut self.bits)?;
                    alpha.symbol(&mut self.bits)?;
                    largest = largest.max(red_symbol << 8 | symbol);
                    // Codes of one symbol take no bits: all pixels that are left are the same.
                    left = if group.is_one_pixel() { 0 } else { left - 1 };
                }
                256..280 => {
                    let length = self.copied(symbol - 256)?;
                    let symbol = distance.symbol(&mut self.bits)?;
                    self.copied(symbol)?;
                    left = left.checked_sub(u64::from(length))?;
                }
                // From the cache, which holds pixels that were there before.
                _ => left -= 1,
            }
        }
        Some(largest)
    }

    /// A length or a distance: the symbol says how many bits follow.
    fn copied(&mut self, symbol: u32) -> Option<u32> {
        if symbol < 4 {
            return Some(symbol + 1);
        }
        let extra = (symbol - 2) >> 1;
        Some(((2 + (symbol & 1)) << extra) + self.bits.read(extra)? + 1)
    }

    /// How many symbols the colour cache adds to the first alphabet.
    fn colour_cache(&mut self) -> Option<u16> {
        if self.bits.read(1)? == 0 {
            return Some(0);
        }
        let bits = self.bits.read(4)?;
        (1..=11).contains(&bits).then(|| 1 << bits)
    }

    fn group(&mut self, cache: u16) -> Option<Group> {
        let mut codes = [const { Code::ONE }; 5];
        for (code, alphabet) in codes.iter_mut().zip(ALPHABETS) {
            let extra = if alphabet == ALPHABETS[0] { cache } else { 0 };
            *code = Code::read(&mut self.bits, usize::from(alphabet + extra))?;
        }
        Some(Group(codes))
    }
}

/// The five codes of a block.
struct Group([Code; 5]);

impl Group {
    fn memory_bytes(&self) -> u64 {
        self.0.iter().map(|code| code.memory_bytes).sum()
    }

    fn is_one_pixel(&self) -> bool {
        self.0[..4].iter().all(|code| code.symbols.len() == 1)
    }
}

/// A canonical prefix code.
struct Code {
    /// in the order of their codes
    symbols: Vec<u16>,
    /// how many symbols have a code of each length
    lengths: [u16; LONGEST + 1],
    /// what the decoder takes for it
    memory_bytes: u64,
}

impl Code {
    const ONE: Self = Self { symbols: Vec::new(), lengths: [0; LONGEST + 1], memory_bytes: 0 };

    fn read(bits: &mut Bits, alphabet: usize) -> Option<Self> {
        if bits.read(1)? == 1 {
            return Self::simple(bits, alphabet);
        }
        let mut lengths = [0; LENGTH_ORDER.len()];
        for at in LENGTH_ORDER.iter().take(4 + bits.read(4)? as usize) {
            lengths[*at] = bits.read(3)? as u8;
        }
        let code = Self::of(&lengths)?;
        let mut tokens = alphabet;
        if bits.read(1)? == 1 {
            let width = 2 + 2 * bits.read(3)?;
            tokens = 2 + bits.read(width)? as usize;
            if tokens > alphabet {
                return None;
            }
        }
        let mut lengths = Vec::with_capacity(alphabet);
        let mut before = 8;
        while lengths.len() < alphabet && tokens > 0 {
            tokens -= 1;
            let token = code.symbol(bits)?;
            let (length, times) = match token {
                0..16 => (token as u8, 1),
                16 => (before, 3 + bits.read(2)?),
                17 => (0, 3 + bits.read(3)?),
                _ => (0, 11 + bits.read(7)?),
            };
            if length > 0 {
                before = length;
            }
            lengths.resize(lengths.len() + times as usize, length);
        }
        if lengths.len() > alphabet { None } else { Self::of(&lengths) }
    }

    /// One or two symbols, written out.
    fn simple(bits: &mut Bits, alphabet: usize) -> Option<Self> {
        let has_two = bits.read(1)? == 1;
        let width = if bits.read(1)? == 1 { 8 } else { 1 };
        let mut code = Self::ONE;
        code.symbols.push(bits.read(width)? as u16);
        if has_two {
            code.symbols.push(bits.read(8)? as u16);
            code.lengths[1] = 2;
            code.memory_bytes = 3 * NODE_BYTES + 8;
        }
        code.symbols.iter().all(|symbol| usize::from(*symbol) < alphabet).then_some(code)
    }

    /// The code in which each symbol has this length; 0 for those that do not occur.
    fn of(lengths: &[u8]) -> Option<Self> {
        let mut code = Self::ONE;
        for length in 1..=LONGEST as u8 {
            let of_length = lengths.iter().enumerate().filter(|(_, found)| **found == length);
            let before = code.symbols.len();
            code.symbols.extend(of_length.map(|(symbol, _)| symbol as u16));
            code.lengths[usize::from(length)] = (code.symbols.len() - before) as u16;
        }
        if code.symbols.len() < 2 {
            // One symbol takes no bits. None at all is damage.
            code.lengths = [0; LONGEST + 1];
            return (code.symbols.len() == 1).then_some(code);
        }
        // Every row of bits has to be some symbol's code.
        let used: u32 =
            (1..=LONGEST).map(|length| u32::from(code.lengths[length]) << (LONGEST - length)).sum();
        if used != 1 << LONGEST {
            return None;
        }
        let longest = (1..=LONGEST).rfind(|length| code.lengths[*length] > 0)?;
        let in_tree: u64 = code.lengths[TABLE_BITS + 1..].iter().map(|count| u64::from(*count)).sum();
        code.memory_bytes = (4 << longest.min(TABLE_BITS)) + 2 * NODE_BYTES * in_tree;
        Some(code)
    }

    fn symbol(&self, bits: &mut Bits) -> Option<u32> {
        if let [only] = self.symbols[..] {
            return Some(only.into());
        }
        // Codes of one length are numbers in a row; the first of the next length is twice the one behind the last.
        let (mut code, mut first, mut before) = (0, 0, 0);
        for count in &self.lengths[1..] {
            let count = u32::from(*count);
            code |= bits.read(1)?;
            if code < first + count {
                return self.symbols.get((before + code - first) as usize).map(|symbol| u32::from(*symbol));
            }
            before += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// Bits from the lowest of each byte on.
struct Bits<'a> {
    bytes: &'a [u8],
    /// bits that were read
    at: usize,
}

impl Bits<'_> {
    /// A number of at most 24 bits; `None` past the end.
    fn read(&mut self, count: u32) -> Option<u32> {
        let (byte, shift) = (self.at / 8, self.at % 8);
        let end = self.at + count as usize;
        if end > self.bytes.len() * 8 {
            return None;
        }
        let mut window = [0; 4];
        let rest = &self.bytes[byte.min(self.bytes.len())..];
        let length = rest.len().min(4);
        window[..length].copy_from_slice(&rest[..length]);
        self.at = end;
        Some(u32::from_le_bytes(window) >> shift & ((1 << count) - 1))
    }
}
