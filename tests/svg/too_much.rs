//! Drawings that would take too much time, memory or stack.

use super::*;

#[test]
fn entities_that_multiply_are_refused() {
    let mut file = "<!DOCTYPE svg [<!ENTITY e0 '<rect/><rect/>'>".to_owned();
    for level in 1..30 {
        let below = level - 1;
        write!(file, "<!ENTITY e{level} '&e{below};&e{below};&e{below};&e{below};'>").unwrap();
    }
    assert_refused("entities", &format!("{file}]>{}", small("&e29;")));
}

#[test]
fn references_that_multiply_are_refused() {
    // Each level names the one below ten times.
    let levels = |what: &dyn Fn(usize) -> String| -> String { (1..12).map(what).collect() };
    let uses = levels(&|level| {
        let inner = format!("<use href='#g{}'/>", level - 1).repeat(10);
        format!("<g id='g{level}'>{inner}</g>")
    });
    assert_refused(
        "use",
        &small(&format!("<defs><rect id='g0' width='1' height='1'/>{uses}</defs><use href='#g11'/>")),
    );

    let patterns = levels(&|level| {
        let inner = format!("<rect width='20' height='10' fill='url(#p{})'/>", level - 1).repeat(10);
        format!(
            "<pattern id='p{level}' width='20' height='10' patternUnits='userSpaceOnUse'>{inner}</pattern>"
        )
    });
    let fill = "<rect width='20' height='10' fill='url(#p11)'/>";
    assert_refused(
        "patterns",
        &small(&format!(
            "<pattern id='p0' width='1' height='1'><rect width='1' height='1'/></pattern>{patterns}{fill}"
        )),
    );

    let masks = levels(&|level| {
        let inner = format!("<rect width='20' height='10' mask='url(#m{})'/>", level - 1).repeat(10);
        format!("<mask id='m{level}'>{inner}</mask>")
    });
    let masked = "<rect width='20' height='10' mask='url(#m11)'/>";
    assert_refused(
        "masks",
        &small(&format!("<mask id='m0'><rect width='9' height='9' fill='white'/></mask>{masks}{masked}")),
    );

    let clips = levels(&|level| {
        let inner = format!("<rect width='20' height='10' clip-path='url(#c{})'/>", level - 1).repeat(10);
        format!("<clipPath id='c{level}'>{inner}</clipPath>")
    });
    let clipped = "<rect width='20' height='10' clip-path='url(#c11)'/>";
    assert_refused(
        "clips",
        &small(&format!("<clipPath id='c0'><rect width='9' height='9'/></clipPath>{clips}{clipped}")),
    );
}

#[test]
fn what_contains_itself_is_refused_however_long_the_way() {
    let masks = |style: &str, of: [&str; 3]| {
        let [a, b, c] = of;
        format!(
            "{style}<mask id='a'><rect {a}/></mask><mask id='b'><rect {b}/></mask><mask id='c'><rect {c}/></mask>\
             <rect width='9' height='9' mask='url(#a)'/>"
        )
    };
    assert_refused(
        "attributes",
        &small(&masks("", ["mask='url(#b)'", "mask='url(#c)'", "mask='url( \"#a\" )'"])),
    );
    assert_refused(
        "style",
        &small(&masks("", ["style='mask:url(#b)'", "mask='url(#c)'", "style='mask: url(#a)'"])),
    );
    let sheet =
        "<style>.x { mask: url(#b) } rect.y { mask: url(#c) } #c > :first-child { mask: url(#a) }</style>";
    assert_refused("a style sheet", &small(&masks(sheet, ["class='x'", "class='y'", ""])));
    let image = "<g id='g'><rect width='9' height='9' filter='url(#f)'/></g><filter id='f'><feImage href='#g'/></filter>";
    assert_refused("feImage", &small(image));
    let uses = "<g id='g'><use href='#h'/></g><g id='h'><use href='#i'/></g><g id='i'><use href='#g'/></g>";
    assert_refused("use", &small(uses));
}

/// What is drawn elsewhere takes properties over from where it stands.
#[test]
fn what_contains_itself_by_a_property_of_something_around_it_is_refused() {
    let rect = "<rect width='9' height='9'/>";
    let pattern = "<pattern id='p' width='.2' height='.2'><rect width='1' height='1'/></pattern>";
    for around in ["fill='url(#p)'", "stroke='url(#p)'", "style='fill: url(#p)'"] {
        assert_refused(
            around,
            &small(&format!("<g {around}>{pattern}</g><g fill='url(#p)' stroke='url(#p)'>{rect}</g>")),
        );
    }
    let mask = "<g fill='url(#p)'><mask id='m'><rect width='9' height='9'/></mask></g>\
                <pattern id='p' width='.2' height='.2'><rect width='1' height='1' mask='url(#m)'/></pattern>";
    assert_refused("by a mask", &small(&format!("{mask}<rect width='9' height='9' mask='url(#m)'/>")));
    let image = "<g fill='url(#p)'><rect id='r' width='9' height='9'/></g><filter id='f'><feImage href='#r'/></filter>\
                 <pattern id='p' width='.2' height='.2'><rect width='1' height='1' fill='red' filter='url(#f)'/></pattern>";
    assert_refused("by feImage", &small(&format!("{image}<rect width='9' height='9' fill='url(#p)'/>")));
    // A copy takes over from where it is drawn, and nothing here comes back to itself.
    let copy = "<pattern id='p' width='.2' height='.2'><use href='#r' fill='red'/></pattern>\
                <g fill='url(#p)'><rect id='r' width='9' height='9'/></g>";
    let drawn = draw(&small(copy), 20, 10).expect("a drawing");
    assert_eq!(pixel(&drawn, 1, 1), [255, 0, 0, 255]);
}

#[test]
fn style_sheets_and_attributes_without_end_are_refused() {
    let rules: String = (0..20_000).fold(String::new(), |mut rules, number| {
        write!(rules, ".c{number}{{fill:red}}").unwrap();
        rules
    });
    assert_refused("rules", &small(&format!("<style>{rules}</style>")));
    let attributes: String = (0..90_000).fold(String::new(), |mut attributes, number| {
        write!(attributes, " a{number}=''").unwrap();
        attributes
    });
    assert_refused("attributes", &small(&format!("<rect{attributes}/>")));
    let matched = format!("<style>{}</style>{}", "a b c {fill:red}".repeat(2000), "<rect/>".repeat(5000));
    assert_refused("matches", &small(&matched));
    let usual =
        "<style>.c { fill: url(#g) }</style><linearGradient id='g'><stop stop-color='red'/></linearGradient>";
    let many = "<rect class='c' width='9' height='9'/>".repeat(3000);
    assert_eq!(pixel(&draw(&small(&format!("{usual}{many}")), 20, 10).unwrap(), 4, 4), [255, 0, 0, 255]);
}

#[test]
fn outlines_that_cross_themselves_everywhere_are_refused() {
    let points: String = (0..90_000).fold(String::new(), |mut points, number| {
        write!(points, "C{} {} 3 4 5 6", number % 20, number * 7 % 10).unwrap();
        points
    });
    assert_refused(
        "a line",
        &small(&format!("<path stroke='red' stroke-linejoin='round' d='M0 0{points}'/>")),
    );
}

#[test]
fn filters_that_take_for_ever_are_refused() {
    let filtered = |steps: &str| {
        let filter = format!("<filter id='f' x='0' y='0' width='1' height='1'>{steps}</filter>");
        format!(
            "<svg {NS} width='2000' height='2000'>{filter}<rect width='2000' height='2000' filter='url(#f)'/></svg>"
        )
    };
    for steps in [
        "<feMorphology operator='dilate' radius='900'/>".to_owned(),
        "<feTurbulence numOctaves='2000000' baseFrequency='.1'/>".to_owned(),
        "<feGaussianBlur stdDeviation='9'/>".repeat(500),
        format!("<feConvolveMatrix order='100' divisor='1' kernelMatrix='{}'/>", "1 ".repeat(10_000)),
    ] {
        let file = filtered(&steps);
        let refused = render(file.as_bytes(), 2000, 2000, &Limits::default(), &Progress::unbounded());
        assert!(matches!(refused, Err(Error::Decode(_))), "{}", &steps[..40]);
    }
    let file = filtered("<feGaussianBlur stdDeviation='9'/>");
    render(file.as_bytes(), 200, 200, &Limits::default(), &Progress::unbounded()).unwrap();
}

#[test]
fn layers_that_take_all_memory_are_refused() {
    let depth = 900;
    let layers = format!(
        "{}<rect width='4000' height='4000'/>{}",
        "<g opacity='.9'>".repeat(depth),
        "</g>".repeat(depth)
    );
    let file = format!("<svg {NS} width='4000' height='4000'>{layers}</svg>");
    assert!(matches!(header(file.as_bytes(), &Limits::default()), Err(Error::Decode(_))));
    let tile = "<pattern id='p' width='60000' height='60000' patternUnits='userSpaceOnUse'><rect width='9' height='9'/></pattern>";
    assert_refused("a large tile", &small(&format!("{tile}<rect width='20' height='10' fill='url(#p)'/>")));
}

#[test]
fn lines_of_a_million_dashes_are_refused_when_there_are_many() {
    let line = "<path d='M0 0H1000000' stroke='red' stroke-dasharray='.5'/>";
    assert_refused("dashes", &small(&line.repeat(100)));
}

#[test]
fn nesting_ends_in_an_error_and_not_in_a_crash() {
    let inside = |depth: usize, [open, close]: [&str; 2], content: &str| {
        format!("{}{content}{}", open.repeat(depth), close.repeat(depth))
    };
    let kinds = [
        ["<g>", "</g>"],
        ["<g opacity='.9' transform='rotate(1)'>", "</g>"],
        ["<svg>", "</svg>"],
        ["<switch>", "</switch>"],
        ["<g clip-path='url(#c)' mask='url(#m)' filter='url(#f)'>", "</g>"],
    ];
    let named = "<clipPath id='c'><rect width='9' height='9'/></clipPath><mask id='m'><rect width='9' height='9'/></mask>\
                 <filter id='f'><feOffset/></filter>";
    for depth in [200, 254, 255, 300, 1_020, 5_000, 100_000] {
        for kind in kinds {
            let file = small(&(named.to_owned() + &inside(depth, kind, "<rect width='9' height='9'/>")));
            match draw(&file, 20, 10) {
                Ok(_) => assert!(depth < 256, "{kind:?} {depth} deep"),
                Err(error) => {
                    assert!(depth > 250 && matches!(error, Error::Decode(_)), "{depth} deep: {error}");
                }
            }
        }
    }
    // As deep as it goes, several times.
    let mut file = small("<rect width='20' height='10' fill='red'/>");
    for _ in 0..3 {
        let image = format!(
            "<image href='data:image/svg+xml;base64,{}' width='20' height='10'/>",
            STANDARD.encode(file)
        );
        file = small(&inside(250, kinds[1], &image));
    }
    draw(&file, 20, 10).unwrap();
    let chain: String = (1..250).fold(String::new(), |mut chain, level| {
        let below = level - 1;
        write!(chain, "<mask id='m{level}'><rect width='9' height='9' mask='url(#m{below})'/></mask>").unwrap();
        write!(chain, "<pattern id='p{level}' width='1' height='1'><rect width='9' height='9' fill='url(#p{below})'/></pattern>").unwrap();
        write!(chain, "<clipPath id='c{level}' clip-path='url(#c{below})'><rect width='9' height='9'/></clipPath>").unwrap();
        chain
    });
    for name in [
        "mask='url(#m120)'",
        "fill='url(#p120)'",
        "clip-path='url(#c249)'",
        "mask='url(#m249)'",
        "fill='url(#p249)'",
    ] {
        let drawn = draw(&small(&format!("{chain}<rect width='20' height='10' {name}/>")), 20, 10);
        assert!(matches!(drawn, Ok(_) | Err(Error::Decode(_))), "{name}");
    }
}

#[test]
fn svg_in_svg_in_svg_ends_somewhere() {
    let mut file = small("<rect width='20' height='10' fill='red'/>");
    for _ in 0..12 {
        file = small(&format!(
            "<image href='data:image/svg+xml;base64,{}' width='20' height='10'/>",
            STANDARD.encode(file)
        ));
    }
    let pixels = draw(&file, 20, 10).unwrap();
    assert!(pixels.data.iter().all(|sample| *sample == 0), "the innermost is left out");
}
