//! SVG to pixels: what is drawn, what is never read, and what would take too much.

mod too_much;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use unsharp::error::{Error, Result};
use unsharp::image::decode::{Header, Layout, Pixels};
use unsharp::image::encode::{EncodeOptions, encode};
use unsharp::image::{Limits, OutputFormat, Progress, svg};

const NS: &str = "xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'";

/// On a thread with the stack that the library may take; what is used of more than that would crash.
fn on_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(svg::STACK_BYTES);
        thread.spawn_scoped(scope, work).expect("a thread").join().expect("no panic")
    })
}

fn header(input: &[u8], limits: &Limits) -> Result<Header> {
    on_stack(|| svg::header(input, limits))
}

fn render(input: &[u8], width: u32, height: u32, limits: &Limits, progress: &Progress) -> Result<Pixels> {
    on_stack(|| svg::render(input, width, height, limits, progress))
}

/// A file of 20 by 10 px with this in it.
fn small(content: &str) -> String {
    format!("<svg {NS} width='20' height='10'>{content}</svg>")
}

fn draw(file: &str, width: u32, height: u32) -> Result<Pixels> {
    header(file.as_bytes(), &Limits::default())?;
    render(file.as_bytes(), width, height, &Limits::default(), &Progress::unbounded())
}

fn pixel(pixels: &Pixels, x: u32, y: u32) -> [u8; 4] {
    let at = (y * pixels.width + x) as usize * 4;
    pixels.data[at..at + 4].try_into().expect("it lies inside")
}

fn assert_refused(name: &str, file: &str) {
    match draw(file, 20, 10) {
        Err(Error::Decode(_) | Error::TooManyPixels { .. }) => {}
        other => panic!("{name}: {:?}", other.map(|pixels| (pixels.width, pixels.height))),
    }
}

/// The rasterizer panics over these. That is a fault of theirs, and no reason to call it one of ours.
#[test]
fn drawings_that_reach_too_far_are_refused_without_a_panic() {
    let clipped = |mask: &str, clip: &str| {
        format!(
            "<mask id='a' {mask}><rect width='3' height='9' fill='#fff'/></mask><clipPath {clip} id='b'><circle r='8'/></clipPath><rect mask='url(#a)' clip-path='url(#b)' width='9' height='9'/>"
        )
    };
    for drawing in [clipped("", "transform='scale(1e9)'"), clipped("width='1e38'", "")] {
        let file = format!("<svg {NS} width='9' height='9'>{drawing}</svg>");
        for (width, height) in [(9, 9), (3, 7)] {
            // A rasterizer that copes is as good.
            assert!(matches!(draw(&file, width, height), Ok(_) | Err(Error::Decode(_))));
        }
    }
}

/// One colour, as a data url.
fn picture(format: OutputFormat, width: u32, height: u32, rgb: [u8; 3]) -> String {
    let data = rgb.repeat((width * height) as usize);
    let pixels = Pixels { data, width, height, layout: Layout::Rgb };
    let options = EncodeOptions { quality: 100, ..EncodeOptions::default() };
    let file = encode(pixels, format, &options, &Progress::unbounded()).expect("it can be encoded");
    format!("data:{};base64,{}", format.mime(), STANDARD.encode(file))
}

#[test]
fn shapes_are_drawn_at_the_size_that_is_wanted() {
    let file = small(
        "<rect width='10' height='10' fill='red'/><circle cx='15' cy='5' r='4' fill='rgba(0,0,255,.5)'/>",
    );
    let pixels = draw(&file, 200, 100).unwrap();
    assert_eq!((pixels.width, pixels.height, pixels.layout), (200, 100, Layout::Rgba));
    assert_eq!(pixel(&pixels, 50, 50), [255, 0, 0, 255]);
    // Straight alpha.
    let [red, green, blue, alpha] = pixel(&pixels, 150, 50);
    assert_eq!((red, green, blue), (0, 0, 255));
    assert!(alpha.abs_diff(128) <= 1, "{alpha}");
    assert_eq!(pixel(&pixels, 199, 0), [0; 4]);
}

#[test]
fn sizes_are_those_of_sharp() {
    // Each read off sharp 0.35.5.
    for (attributes, width, height) in [
        ("width='100.4' height='50.6'", 100, 51),
        ("width='100.6' height='50.2'", 101, 50),
        ("viewBox='0 0 30 20'", 30, 20),
        ("width='60' viewBox='0 0 30 20'", 60, 40),
        ("width='100%' height='100%' viewBox='0 0 30 20'", 30, 20),
        ("width='1in' height='2in'", 72, 144),
        ("width='10pt' height='2cm'", 10, 57),
    ] {
        let file = format!("<svg {NS} {attributes}><rect width='9' height='9'/></svg>");
        let header = header(file.as_bytes(), &Limits::default()).unwrap();
        assert_eq!((header.width, header.height), (width, height), "{attributes}");
    }
}

#[test]
fn images_in_data_urls_are_drawn_whatever_their_format() {
    for format in OutputFormat::ALL {
        let url = picture(format, 8, 8, [0, 160, 0]);
        let pixels = draw(&small(&format!("<image href='{url}' width='10' height='10'/>")), 20, 10).unwrap();
        let [red, green, blue, alpha] = pixel(&pixels, 5, 5);
        assert!(red < 20 && green.abs_diff(160) < 20 && blue < 20 && alpha == 255, "{format:?}");
        assert_eq!(pixel(&pixels, 15, 5), [0; 4], "{format:?}");
    }
    let inner = STANDARD.encode(small("<rect width='20' height='10' fill='#00f'/>"));
    let file =
        small(&format!("<image xlink:href='data:image/svg+xml;base64,{inner}' width='20' height='10'/>"));
    assert_eq!(pixel(&draw(&file, 20, 10).unwrap(), 5, 5), [0, 0, 255, 255]);
}

#[test]
fn a_photograph_of_many_pixels_is_drawn() {
    let url = picture(OutputFormat::Jpeg, 4000, 3000, [0, 160, 0]);
    let pixels = draw(&small(&format!("<image href='{url}' width='20' height='10'/>")), 20, 10).unwrap();
    assert!(pixel(&pixels, 10, 5)[1] > 140);
}

#[test]
fn images_of_more_pixels_than_allowed_are_refused() {
    let url = picture(OutputFormat::Png, 300, 200, [0; 3]);
    let file = small(&format!("<image href='{url}'/>"));
    let limits = Limits { max_pixels: 300 * 200 - 1, ..Limits::default() };
    assert!(matches!(header(file.as_bytes(), &limits), Err(Error::TooManyPixels { .. })));
    // Each is small enough, but a thousand of them are not.
    let url = picture(OutputFormat::Png, 400, 200, [0; 3]);
    let many = format!("<defs><image id='i' href='{url}'/></defs>{}", "<use href='#i'/>".repeat(1000));
    assert_refused("a thousand times", &small(&many));
}

#[test]
fn an_image_that_is_damaged_is_left_out() {
    let file = small(
        "<rect width='5' height='5' fill='red'/><image href='data:image/png;base64,iVBORw0KGgo=' width='9' height='9'/>",
    );
    assert_eq!(pixel(&draw(&file, 20, 10).unwrap(), 2, 2), [255, 0, 0, 255]);
}

#[test]
fn nothing_outside_of_the_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret.png");
    let url = picture(OutputFormat::Png, 8, 8, [255, 0, 0]);
    let bytes = STANDARD.decode(url.rsplit(',').next().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let other = folder.path().join("other.svg");
    std::fs::write(&other, small("<rect id='r' width='20' height='10' fill='red'/>")).unwrap();
    let (path, other) = (path.display(), other.display());
    for content in [
        format!("<image href='{path}' width='20' height='10'/>"),
        format!("<image href='file://{path}' width='20' height='10'/>"),
        format!("<image href='{other}' width='20' height='10'/>"),
        format!("<use href='{other}#r'/>"),
        format!("<style>@import url('file://{other}'); rect {{ fill: url('{other}#r') }}</style>"),
        format!(
            "<filter id='f'><feImage href='{path}'/></filter><rect width='20' height='10' filter='url(#f)'/>"
        ),
        "<image href='http://127.0.0.1:1/x.png' width='20' height='10'/>".to_owned(),
        "<text y='9' font-size='9'>text</text>".to_owned(),
    ] {
        let pixels = draw(&small(&content), 20, 10).unwrap();
        assert!(pixels.data.iter().all(|sample| *sample == 0), "{content}");
    }
    let entity = format!("<!DOCTYPE svg [<!ENTITY x SYSTEM 'file://{other}'>]>{}", small("&x;"));
    if let Ok(pixels) = draw(&entity, 20, 10) {
        assert!(pixels.data.iter().all(|sample| *sample == 0));
    }
}

#[test]
fn a_document_type_and_its_entities_are_read() {
    let file = format!(
        "<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY c 'red'>]>{}",
        small("<rect width='9' height='9' fill='&c;'/>")
    );
    assert_eq!(pixel(&draw(&file, 20, 10).unwrap(), 4, 4), [255, 0, 0, 255]);
}

#[test]
fn sizes_beyond_the_limit_are_refused() {
    let file = format!("<svg {NS} width='100000' height='100000'/>");
    assert!(matches!(header(file.as_bytes(), &Limits::default()), Err(Error::TooManyPixels { .. })));
    let drawn = render(small("").as_bytes(), 100_000, 100_000, &Limits::default(), &Progress::unbounded());
    assert!(matches!(drawn, Err(Error::TooManyPixels { .. })));
}

#[test]
fn a_job_that_is_given_up_stops() {
    let cancelled = Arc::new(AtomicBool::new(true));
    let progress = Progress::start(&Limits::default(), cancelled);
    let drawn = render(small("").as_bytes(), 20, 10, &Limits::default(), &progress);
    assert_eq!(drawn, Err(Error::Aborted));
    let url = picture(OutputFormat::Png, 300, 200, [0; 3]);
    let file = small(&format!("<image href='{url}'/>"));
    assert_eq!(render(file.as_bytes(), 20, 10, &Limits::default(), &progress), Err(Error::Aborted));
}

#[test]
fn what_is_no_svg_is_an_error() {
    for file in [
        "",
        "<svg",
        "<html/>",
        "<svg xmlns='http://www.w3.org/2000/svg' width='0' height='0'/>",
        "<?xml version='1.0'?>",
    ] {
        assert!(matches!(draw(file, 20, 10), Err(Error::Decode(_))), "{file}");
    }
    let latin = b"<svg xmlns='http://www.w3.org/2000/svg' id='\xe9'/>";
    assert!(matches!(header(latin, &Limits::default()), Err(Error::Decode(_))));
}

#[test]
fn damage_anywhere_is_an_error_or_a_picture() {
    let url = picture(OutputFormat::Png, 4, 4, [9, 99, 199]);
    let file = small(&format!(
        "<defs><linearGradient id='l'><stop stop-color='red'/><stop offset='1' stop-color='blue'/></linearGradient>\
         <pattern id='p' width='4' height='4' patternUnits='userSpaceOnUse'><circle cx='2' cy='2' r='1'/></pattern>\
         <mask id='m'><rect width='20' height='9' fill='white'/></mask><clipPath id='c'><rect width='18' height='9'/></clipPath>\
         <filter id='f'><feGaussianBlur stdDeviation='1'/><feMorphology radius='1'/></filter></defs>\
         <g mask='url(#m)' transform='rotate(5)'><path d='M0 0L9 9Q1 2 3 4C1 2 3 4 5 6A3 4 0 0 1 9 9Z' fill='url(#l)' \
         stroke='url(#p)' stroke-dasharray='1 2'/></g><g clip-path='url(#c)' filter='url(#f)' opacity='.5'>\
         <image href='{url}' width='9' height='9'/><use href='#l'/></g>"
    ));
    let mut state = 0x9e37_79b9_u32;
    let mut random = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as usize % bound
    };
    for _ in 0..1500 {
        let mut bytes = file.clone().into_bytes();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = b"0123456789'<>&#-e. "[random(19)],
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, b"0123456789'<>&#-e. "[random(19)]),
            }
        }
        let limits = Limits { max_pixels: 1 << 20, ..Limits::default() };
        if header(&bytes, &limits).is_ok() {
            let _ = render(&bytes, 40, 20, &limits, &Progress::unbounded());
        }
    }
}
