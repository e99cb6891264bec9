use super::*;

fn boxed(size: u32, name: [u8; 4], brand: [u8; 4], total: usize) -> Vec<u8> {
    let mut bytes = [&size.to_be_bytes()[..], &name, &brand].concat();
    bytes.resize(total, 0);
    bytes
}

#[test]
fn signatures_of_every_supported_kind_are_recognised() {
    let cases: [(&[u8], Format); 15] = [
        (b"\xff\xd8\xff\xe0", Format::Jpeg),
        (b"\x89PNG\r\n\x1a\n", Format::Png),
        (b"GIF89a", Format::Gif),
        (b"GIF8", Format::Gif),
        (b"RIFF\x12\x34\x56\x78WEBP", Format::WebP),
        (b"\0\0\x01\0", Format::Ico),
        (b"icns", Format::Icns),
        (b"II*\0", Format::Tiff),
        (b"MM\0*", Format::Tiff),
        (b"BM", Format::Bmp),
        (b"\xff\x0a", Format::Jxl),
        (b"\0\0\0\x0cJXL \r\n\x87\n", Format::Jxl),
        (b"\0\0\0\x0cjP  \r\n\x87\n", Format::Jp2),
        (b"<?xml version=\"1.0\"?>", Format::Svg),
        (b"<svg", Format::Svg),
    ];
    for (bytes, format) in cases {
        assert_eq!(detect(bytes), Some(format), "{}", bytes.escape_ascii());
    }
    assert_eq!(detect(&boxed(32, *b"ftyp", *b"avif", 40)), Some(Format::Avif));
    assert_eq!(detect(&boxed(32, *b"ftyp", *b"heic", 40)), Some(Format::Heic));
}

#[test]
fn a_jpeg_is_known_by_two_bytes_already() {
    assert_eq!(detect(b"\xff\xd8\x00"), Some(Format::Jpeg));
}

#[test]
fn what_is_no_supported_image_is_refused() {
    let refused: [&[u8]; 13] = [
        b"%PDF-1.7 <svg a='1'>",
        b"",
        b"\xff",
        b"hello, this is a text",
        b"<!doctype html><p>a page",
        b"8BPS\0\x01",
        b"P6\n2 2\n255\n",
        b"\0\0\x02\0\x01\0",
        b"\xff\x4f\xff\x51\0\0",
        b"DDS |",
        b"RIFF\x12\x34\x56\x78WAVE",
        b"RIFF\x12\x34\x56\x78",
        b"\xabKTX 11\xbb",
    ];
    for bytes in refused {
        assert_eq!(detect(bytes), None, "{}", bytes.escape_ascii());
    }
    for brand in [b"mif1", b"msf1", b"heix", b"avis"] {
        assert_eq!(detect(&boxed(32, *b"ftyp", *brand, 40)), None);
    }
}

#[test]
fn an_ftyp_box_of_impossible_size_is_no_image() {
    for size in [0, 8, 15, 41, u32::MAX] {
        assert_eq!(detect(&boxed(size, *b"ftyp", *b"avif", 40)), None, "size {size}");
    }
    assert_eq!(detect(b"<!--ftypavif--> and text"), None);
    assert_eq!(detect(b"\0\0\0\x20ftypavi"), None);
}

#[test]
fn an_svg_may_follow_white_space_a_comment_or_a_doctype() {
    let svg = r#"<svg xmlns="http://www.w3.org/2000/svg" width="1"></svg>"#;
    for before in [" ", "\n", "\t", "<!-- ftypavif -->", "<!DOCTYPE svg>\n", "\u{feff}"] {
        assert_eq!(detect(format!("{before}{svg}").as_bytes()), Some(Format::Svg), "{before:?}");
    }
    assert_eq!(detect("<svg\u{a0}a=\"ä>\">".as_bytes()), Some(Format::Svg));
    assert_eq!(detect(b" <svg a=\"\xff\xfe\">"), Some(Format::Svg));
}

#[test]
fn an_svg_tag_must_be_complete_and_near_the_start() {
    assert_eq!(detect(b" <svg width=\"1>"), None);
    assert_eq!(detect(b" <svg>"), None);
    assert_eq!(detect(b" <svgx >"), None);
    let late = [&[b' '; 1000][..], b"<svg a='1'>"].concat();
    assert_eq!(detect(&late), None);
}

#[test]
fn an_unsupported_kind_with_an_svg_inside_is_refused() {
    assert_eq!(detect(b"P6 <svg a='1'>"), None);
    assert_eq!(detect(b"8BPS <svg a='1'>"), None);
}

#[test]
fn containers_are_found_behind_their_signature_box() {
    let mut jp2 = b"\0\0\0\x0cjP  ....".to_vec();
    jp2.extend(boxed(20, *b"ftyp", *b"jp2 ", 20));
    assert_eq!(detect(&jp2), Some(Format::Jp2));
    let mut jxl = b"\0\0\0\x0cJXL ....".to_vec();
    jxl.extend(boxed(20, *b"ftyp", *b"jxl ", 20));
    assert_eq!(detect(&jxl), Some(Format::Jxl));
    jxl[3] = 0xff;
    assert_eq!(detect(&jxl), None);
}

#[test]
fn a_png_with_a_damaged_first_byte_needs_its_ihdr() {
    assert_eq!(detect(b"\x00PNG\r\n\x1a\n\0\0\0\x0dIHDR"), Some(Format::Png));
    assert_eq!(detect(b"\x00PNG\r\n\x1a\n\0\0\0\x0dtEXt"), None);
}

#[test]
fn output_formats_and_mime_types_belong_together() {
    for format in [Format::Jpeg, Format::Png, Format::Gif, Format::WebP, Format::Avif, Format::Tiff] {
        let output = format.output().expect("it can be encoded");
        assert_eq!(output.mime(), format.mime());
        assert_eq!(output.extension(), format.extension());
        assert_eq!(OutputFormat::from_mime(format.mime()), Some(output));
        assert!(!format.is_bypass());
    }
    for format in
        [Format::Svg, Format::Ico, Format::Icns, Format::Bmp, Format::Jxl, Format::Heic, Format::Jp2]
    {
        assert!(format.is_bypass());
        assert_eq!(format.output(), None);
    }
    assert_eq!(OutputFormat::from_mime("image/jpg"), None);
    assert_eq!(OutputFormat::from_mime("IMAGE/PNG"), None);
}
