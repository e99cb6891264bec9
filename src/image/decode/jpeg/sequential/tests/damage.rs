//! Files that are cut, marked in the wrong place, or changed at random.

use super::*;

/// Where the entropy-coded data begins and ends.
fn entropy(file: &[u8]) -> std::ops::Range<usize> {
    let data = markers::read(file).expect("it is whole").scan.expect("a scan").data.len();
    file.len() - 2 - data..file.len() - 2
}

#[test]
fn data_that_ends_too_early_is_an_error_at_every_length() {
    for sampling in SAMPLINGS {
        for restart in [0, 2] {
            let file = file(sampling, (41, 27), 80, restart);
            let entropy = entropy(&file);
            for length in 0..entropy.len() - 1 {
                let cut = [&file[..entropy.start + length], &[0xff, 0xd9]].concat();
                for eighths in [1, 3, 8] {
                    let result = read(&cut, eighths);
                    assert!(
                        result.is_err(),
                        "{sampling:?} cut to {length} of {} at {eighths}/8",
                        entropy.len()
                    );
                }
            }
        }
    }
}

#[test]
fn a_restart_marker_that_is_missing_wrong_or_out_of_place_is_an_error() {
    let file = file(Some(SamplingFactor::F_2_2), (131, 83), 80, 4);
    let markers: Vec<usize> =
        entropy(&file).filter(|&at| file[at] == 0xff && (0xd0..=0xd7).contains(&file[at + 1])).collect();
    // More than a full turn of their numbers.
    assert!(markers.len() > 8);
    for &at in &markers {
        let mut wrong = file.clone();
        wrong[at + 1] = 0xd0 + (wrong[at + 1] + 1) % 8;
        assert!(read(&wrong, 8).is_err());
        let without = [&file[..at], &file[at + 2..]].concat();
        assert!(read(&without, 8).is_err());
        let twice = [&file[..at + 2], &file[at..]].concat();
        assert!(read(&twice, 8).is_err());
        let early = [&file[..at - 3], &file[at..at + 2], &file[at - 3..at], &file[at + 2..]].concat();
        assert!(read(&early, 8).is_err());
    }
}

#[test]
fn a_marker_within_the_data_of_a_file_without_restarts_is_an_error() {
    let file = file(None, (64, 64), 80, 0);
    let entropy = entropy(&file);
    for at in entropy.clone().step_by(7).filter(|&at| file[at - 1] != 0xff) {
        let marked = [&file[..at], &[0xff, 0xd0], &file[at..]].concat();
        assert!(read(&marked, 8).is_err(), "{} of {}", at - entropy.start, entropy.len());
    }
}

#[test]
fn after_an_error_there_are_no_more_rows() {
    let file = file(None, (16, 64), 80, 0);
    let entropy = entropy(&file);
    let cut = [&file[..entropy.start + entropy.len() / 2], &[0xff, 0xd9]].concat();
    let jpeg = markers::read(&cut).expect("a structure");
    let progress = Progress::unbounded();
    let mut decoder = Sequential::new(&jpeg, 8, &progress).expect("a decoder");
    let mut rows = 0;
    while let Ok(band) = decoder.next_rows() {
        rows += band.expect("the end was cut off").data.len() / 16;
    }
    assert!(rows > 0 && rows < 64, "{rows}");
    assert!(decoder.next_rows().expect("nothing").is_none());
}

#[test]
fn damage_is_an_error_or_other_pixels_but_nothing_else() {
    let mut seed = 1;
    let mut random = |below: usize| {
        seed += 1;
        scattered(seed) % below
    };
    for round in 0..2500 {
        let sampling = SAMPLINGS[round % SAMPLINGS.len()];
        let mut damaged = file(sampling, SIZES[4 + round % 4], 60, (round % 3) as u16);
        for _ in 0..=random(3) {
            // The tables stand before the data, behind the first few bytes.
            let range = if random(2) == 0 { 20..damaged.len() } else { entropy_or_all(&damaged) };
            let at = range.start + random(range.len().max(1));
            if let Some(byte) = damaged.get_mut(at) {
                *byte = [0, 0xff, *byte ^ 1 << random(8), random(256) as u8][random(4)];
            }
        }
        let Ok(jpeg) = markers::read(&damaged) else { continue };
        // A size that the data can't have is refused before anything is decoded.
        if !supports(&jpeg) || jpeg.entropy * 8 < jpeg.least_bits() {
            continue;
        }
        for eighths in [1, 2, 4, 5, 8] {
            match read(&damaged, eighths) {
                Ok(_) | Err(Error::Decode(_)) => {}
                Err(other) => panic!("round {round}: {other}"),
            }
        }
    }
}

fn entropy_or_all(file: &[u8]) -> std::ops::Range<usize> {
    match markers::read(file).ok().and_then(|jpeg| jpeg.scan) {
        Some(scan) if scan.data.len() + 2 < file.len() => file.len() - 2 - scan.data.len()..file.len() - 2,
        _ => 0..file.len(),
    }
}
