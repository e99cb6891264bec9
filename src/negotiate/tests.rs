use super::*;

fn formats(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("image/{name}")).collect()
}

/// As Next's parser does, which looks for `="` before it takes blanks out.
#[test]
fn a_blank_before_a_quote_makes_what_follows_no_quotation() {
    let webp = formats(&["webp"]);
    for (accept, expected) in [
        ("image/webp;level=\"a;b\"", Some("image/webp;level=\"a;b\"")),
        ("image/webp;level=\"a,b\"", Some("image/webp;level=\"a,b\"")),
        ("image/webp;level= \"a;b\"", None),
        ("image/webp;level=\t\"a;b\"", None),
        ("image/webp;level= \"a\"", Some("")),
        ("image/webp;level=\"a;b", None),
        ("image/webp ; level=\"a b\" ; q=0", Some("")),
        ("image/webp;level=\"\ta;b\"", Some("image/webp;level=\"\ta;b\"")),
        ("image/webp;level=\"a\"b", Some("")),
        ("image/webp;level=\"1", Some("")),
        ("im*=\"e/* ;q=.5;level=\"a;b\", image/webp", Some("image/webp")),
        (" , image/webp", Some("image/webp")),
    ] {
        assert_eq!(negotiate(Some(accept), &webp).as_deref(), expected, "{accept:?}");
    }
}

#[test]
fn f1_f2_f3_f8_f9_the_accept_header_picks_among_the_configured_formats() {
    let cases: [(Option<&str>, &[&str], &str); 15] = [
        // F1: of equals avif comes first, whatever the order in either list.
        (Some("image/webp,image/avif"), &["webp", "avif"], "image/avif"),
        (Some("image/avif,image/webp,*/*"), &["avif", "webp"], "image/avif"),
        (Some("image/webp,*/*"), &["avif", "webp"], "image/webp"),
        // F2: the name must stand there.
        (Some("*/*"), &["webp"], ""),
        (Some("image/*"), &["webp"], ""),
        (Some("image/png,image/*"), &["webp"], ""),
        (None, &["webp"], ""),
        // F3: weights, and case.
        (Some("image/avif;q=0.5,image/webp"), &["avif", "webp"], "image/webp"),
        (Some("image/webp;q=0"), &["webp"], ""),
        (Some("IMAGE/WEBP"), &["webp"], ""),
        // F8
        (Some("image/avif,*/*"), &["webp"], ""),
        // F9
        (Some("image/webp,image/apng,image/*,*/*;q=0.8"), &[], "image/apng"),
        (Some("image/webp;v=1"), &["webp"], "image/webp;v=1"),
        // F9: what is no image labels none.
        (Some("text/html,*/*"), &[], ""),
        (Some("*/*"), &[], ""),
    ];
    for (accept, names, expected) in cases {
        let found = negotiate(accept, &formats(names));
        assert_eq!(found.as_deref(), Some(expected), "{accept:?} of {names:?}");
    }
    assert_eq!(negotiate(Some("image/webp,image/avif;q"), &formats(&["webp"])), None, "malformed");
}

#[test]
fn webp_stands_in_for_avif_only_where_config_and_client_name_both() {
    let cases: [(&str, &[&str], bool); 9] = [
        ("image/avif,image/webp,*/*", &["avif", "webp"], true),
        ("image/avif,image/webp;q=0.1", &["webp", "avif"], true),
        // The client does not name webp, or does not want it.
        ("image/avif,*/*", &["avif", "webp"], false),
        ("image/avif,image/webp;q=0", &["avif", "webp"], false),
        // The config has one of them only, or none.
        ("image/avif,image/webp", &["avif"], false),
        ("image/avif,image/webp", &["webp"], false),
        ("image/avif,image/webp", &[], false),
        // The client gets webp in any case, or something else.
        ("image/webp,image/avif;q=0.5", &["avif", "webp"], false),
        ("*/*", &["avif", "webp"], false),
    ];
    for (accept, names, expected) in cases {
        let formats = formats(names);
        let mime = negotiate(Some(accept), &formats).expect("well-formed");
        let found = until_avif(&mime, Some(accept), &formats);
        assert_eq!(found, expected.then_some("image/webp"), "{accept} of {names:?}");
    }
}

#[test]
fn f1_f4_f5_f6_f9_the_output_follows_the_type_and_then_the_source() {
    let cases = [
        ("image/avif", Format::Jpeg, OutputFormat::Avif, "avif", false),
        ("image/webp", Format::Avif, OutputFormat::WebP, "webp", false),
        // F4: labelled as asked, encoded like the source, by sharp's defaults.
        ("image/webp;v=1", Format::Png, OutputFormat::Png, "webp", true),
        // F5
        ("", Format::Jpeg, OutputFormat::Jpeg, "jpeg", false),
        ("", Format::Png, OutputFormat::Png, "png", false),
        ("", Format::Gif, OutputFormat::Gif, "gif", true),
        ("", Format::Tiff, OutputFormat::Tiff, "tiff", true),
        // F6
        ("", Format::WebP, OutputFormat::Jpeg, "jpeg", false),
        ("", Format::Avif, OutputFormat::Jpeg, "jpeg", false),
        // F9
        ("image/apng", Format::WebP, OutputFormat::WebP, "apng", true),
        ("image/png", Format::Jpeg, OutputFormat::Png, "png", false),
    ];
    for (mime, upstream, format, extension, has_defaults) in cases {
        assert_eq!(
            output(mime, upstream),
            Some(Output { format, extension, has_defaults }),
            "{mime} from {upstream:?}"
        );
    }
    for upstream in
        [Format::Svg, Format::Ico, Format::Icns, Format::Bmp, Format::Jxl, Format::Heic, Format::Jp2]
    {
        assert_eq!(output("image/webp", upstream), None);
    }
}

#[test]
fn extensions_and_types_are_each_other_s_inverse() {
    for (name, mime) in TYPES {
        assert_eq!(content_type(name), mime);
        assert_eq!(content_type(extension(mime).unwrap()), mime);
    }
    assert_eq!((extension("image/jpg"), content_type("undefined")), (None, "application/octet-stream"));
}
