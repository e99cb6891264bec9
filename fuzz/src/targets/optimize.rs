//! The whole way of an image, as a request takes it: recognised, decoded, resized, brought into sRGB, turned, cropped,
//! encoded. The last four bytes of an input choose the options.

use std::sync::Arc;

use unsharp::Error;
use unsharp::image::{
    EncodeOptions, Inspected, Limits, OWN_WIDTH, Options, OutputFormat, Progress, SharpRules, format,
    inspect, inspect_to_draw,
};

use super::decode::{FIXED_BYTES, check_error};
use super::svg::forgive_rasterizer;
use crate::memory;
use crate::thread::on_pool_thread;

const LIMITS: Limits = Limits { max_pixels: 1 << 14, max_bytes: 1 << 20, timeout_ms: 4_000 };

/// How many bytes at an input's end are options.
pub const OPTION_BYTES: usize = 4;

fn options([format, width, height, rest]: [u8; OPTION_BYTES]) -> Options {
    use OutputFormat::{Avif, Gif, Jpeg, Png, Tiff, WebP};
    let rule = |bit: u8| rest & (1 << bit) != 0;
    Options {
        width: if width == 0 { OWN_WIDTH } else { u32::from(width) },
        height: (height > 200).then(|| u32::from(height - 200)),
        format: match format {
            0..60 => None,
            60..100 => Some(Png),
            100..150 => Some(Jpeg),
            150..200 => Some(WebP),
            200..220 => Some(Gif),
            220..250 => Some(Tiff),
            // The slowest by far, and the same code behind the pixels.
            250..=255 => Some(Avif),
        },
        encode: EncodeOptions { quality: rest % 100 + 1, avif_engine: None, mozjpeg: rule(6) },
        sharp: SharpRules { enlarge: rule(0), as_stored: rule(1), draw: rule(2), own_format: rule(3) },
    }
}

pub fn optimize(data: &[u8]) {
    let Some((input, chosen)) = data.split_last_chunk::<OPTION_BYTES>() else { return };
    let options = options(*chosen);
    options.validate().expect("only valid ones are made");
    forgive_rasterizer();
    on_pool_thread(|| {
        let progress = Progress::start(&LIMITS, Arc::default());
        let job = if options.sharp.draw {
            inspect_to_draw(input, &LIMITS)
        } else {
            match inspect(input, &LIMITS) {
                Ok(Inspected::Image(job)) => Ok(job),
                Ok(Inspected::Bypass { .. }) => return,
                Err(error) => Err(error),
            }
        };
        let job = match job {
            Ok(job) => job,
            Err(error) => return check_error(&error),
        };
        let claimed = job.memory_bytes(&options);
        let (made, peak) = memory::peak(|| job.run(input, &options, &LIMITS, &progress));
        assert!(peak <= claimed + FIXED_BYTES, "{peak} bytes of memory, {claimed} claimed by {job:?}");
        match made {
            Ok(made) => {
                assert!(made.width > 0 && made.height > 0);
                let found = format::detect(&made.data).and_then(unsharp::image::Format::output);
                assert_eq!(found, Some(made.format), "what comes out is what it says");
            }
            Err(Error::Encode(why)) => panic!("pixels of ours were refused: {why}"),
            Err(error) => check_error(&error),
        }
    });
}
