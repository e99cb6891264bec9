//! How large an SVG becomes once everything that is named stands where it is named.
//!
//! Ten masks of which each uses the one before it ten times are a kilobyte, and ten thousand million elements. The
//! library repeats what is named as it goes, and a chain of names that comes back to its start may not end at all:
//! so both are looked for first, in a time that grows with the length of the file alone.

use std::collections::HashMap;
use std::rc::Rc;

use resvg::usvg::roxmltree::{Document, Node, NodeId};
use simplecss::{AttributeOperator, DeclarationTokenizer, Element, PseudoClass, StyleSheet};

use crate::error::{Error, Result};

/// Elements that may stand there by being named, beside those that the file has. Measured, the library takes up to
/// half a second for them, or for the same number of elements in the file.
const MAX_REPEATED: u64 = 20_000;

/// How deep elements may lie in each other, by name or as they are. Every level takes stack.
const MAX_DEPTH: u32 = 256;

/// Style sheets, bytes: reading them takes a time that grows with the square.
const MAX_STYLE_BYTES: usize = 100_000;

/// Rules of style sheets times elements, which are matched one with another.
const MAX_MATCHES: u64 = 4_000_000;

/// Elements whose `href` names others that take part in drawing; that of `a` is a link for readers.
const NAMING: [&str; 6] = ["use", "feImage", "pattern", "filter", "linearGradient", "radialGradient"];

/// Properties that name something once an element.
const OWN: [&str; 3] = ["clip-path", "mask", "filter"];

/// And those that everything inside takes over, be it what is drawn elsewhere.
const INHERITED: [&str; 6] = ["fill", "stroke", "marker", "marker-start", "marker-mid", "marker-end"];

/// Elements that are drawn where they are named, but take properties over from where they stand.
const DRAWN_ELSEWHERE: [&str; 4] = ["pattern", "marker", "mask", "clipPath"];

/// # Errors
/// [`Error::Decode`] when too much is repeated, or something contains itself.
pub(super) fn check(document: &Document) -> Result<()> {
    let elements = document.descendants().filter(Node::is_element).count() as u64;
    let mut ids: HashMap<&str, Vec<Node>> = HashMap::new();
    let mut styles = StyleSheet::new();
    let mut style_bytes = 0;
    for node in document.descendants() {
        if let Some(id) = node.attribute("id") {
            ids.entry(id).or_default().push(node);
        }
        if node.tag_name().name() == "style" {
            let text = node.text().unwrap_or_default();
            style_bytes += text.len();
            if style_bytes > MAX_STYLE_BYTES {
                return Err(too_much("has too many rules of style"));
            }
            styles.parse_more(text);
        }
    }
    if elements.saturating_mul(styles.rules.len() as u64) > MAX_MATCHES {
        return Err(too_much("has too many rules of style"));
    }
    let has_markers = document.descendants().any(|node| node.tag_name().name() == "marker");
    let (known, taken_over) = (HashMap::new(), HashMap::new());
    let mut sizes = Sizes { ids, styles, has_markers, known, taken_over };
    if sizes.of(document.root_element(), 0)? > elements.saturating_add(MAX_REPEATED) {
        return Err(too_much("repeats too much"));
    }
    Ok(())
}

fn too_much(what: &str) -> Error {
    Error::Decode(format!("svg: it {what}"))
}

struct Sizes<'a, 'input> {
    /// Usually one each; where there are more, any of them may be the one that is meant.
    ids: HashMap<&'a str, Vec<Node<'a, 'input>>>,
    styles: StyleSheet<'a>,
    has_markers: bool,
    /// `None` as long as it is being computed
    known: HashMap<NodeId, Option<u64>>,
    /// What the properties of an element name that everything inside takes over.
    taken_over: HashMap<NodeId, Rc<[String]>>,
}

impl<'a, 'input> Sizes<'a, 'input> {
    /// Elements that this one becomes, at most.
    fn of(&mut self, node: Node<'a, 'input>, depth: u32) -> Result<u64> {
        if depth > MAX_DEPTH {
            return Err(too_much("has too many elements inside each other"));
        }
        match self.known.insert(node.id(), None) {
            Some(Some(size)) => {
                self.known.insert(node.id(), Some(size));
                return Ok(size);
            }
            Some(None) => return Err(too_much("has a part that contains itself")),
            None => {}
        }
        let mut size = self.alone(node);
        for child in node.children().filter(Node::is_element) {
            size = size.saturating_add(self.of(child, depth + 1)?);
        }
        let tag = node.tag_name().name();
        let mut each = 1_u64;
        if NAMING.contains(&tag) {
            for attribute in node.attributes().filter(|attribute| attribute.name() == "href") {
                let name = attribute.value().trim().strip_prefix('#').unwrap_or_default();
                size = size.saturating_add(self.named(name, depth)?);
                if tag == "feImage" {
                    for target in self.ids.get(name).cloned().unwrap_or_default() {
                        each = each.saturating_add(self.outside_of(target, depth)?);
                    }
                }
            }
        }
        let mut own = Vec::new();
        self.properties(node, |name, value| {
            if OWN.contains(&name) {
                own.extend(urls(value));
            }
        });
        for name in own {
            size = size.saturating_add(self.named(&name, depth)?);
        }
        for name in self.taken_over_from(node).iter() {
            each = each.saturating_add(self.named(name, depth)?);
        }
        if DRAWN_ELSEWHERE.contains(&tag) {
            each = each.saturating_add(self.outside_of(node, depth)?);
        }
        size = size.saturating_mul(each);
        self.known.insert(node.id(), Some(size));
        Ok(size)
    }

    /// What the properties name that an element takes over from all those around it.
    fn outside_of(&mut self, node: Node<'a, 'input>, depth: u32) -> Result<u64> {
        node.ancestors().skip(1).filter(Node::is_element).try_fold(0, |sum: u64, around| {
            let names = self.taken_over_from(around);
            names.iter().try_fold(sum, |sum, name| Ok(sum.saturating_add(self.named(name, depth)?)))
        })
    }

    fn taken_over_from(&mut self, node: Node<'a, 'input>) -> Rc<[String]> {
        if let Some(names) = self.taken_over.get(&node.id()) {
            return Rc::clone(names);
        }
        let mut names = Vec::new();
        self.properties(node, |name, value| {
            if INHERITED.contains(&name) {
                names.extend(urls(value));
            }
        });
        let names: Rc<[String]> = names.into();
        self.taken_over.insert(node.id(), Rc::clone(&names));
        names
    }

    /// A marker is drawn at every point of an outline, of which each takes two bytes at least.
    fn alone(&self, node: Node) -> u64 {
        let outline = ["d", "points"].into_iter().filter_map(|name| node.attribute(name)).map(str::len);
        if self.has_markers { 1 + outline.sum::<usize>() as u64 / 2 } else { 1 }
    }

    fn named(&mut self, id: &str, depth: u32) -> Result<u64> {
        let targets = self.ids.get(id).cloned().unwrap_or_default();
        targets.into_iter().try_fold(0, |sum: u64, target| {
            let size = self.of(target, depth + 1)?;
            // A gradient is a colour: it is not repeated.
            let is_gradient = target.tag_name().name().ends_with("Gradient");
            Ok(if is_gradient { sum } else { sum.saturating_add(size) })
        })
    }

    /// Those that may hold for an element, from its attributes, its style and the style sheets.
    fn properties(&self, node: Node, mut property: impl FnMut(&str, &str)) {
        for attribute in node.attributes() {
            if attribute.name() == "style" {
                DeclarationTokenizer::from(attribute.value()).for_each(|it| property(it.name, it.value));
            } else {
                property(attribute.name(), attribute.value());
            }
        }
        for rule in &self.styles.rules {
            if rule.selector.matches(&Styled(node)) {
                rule.declarations.iter().for_each(|it| property(it.name, it.value));
            }
        }
    }
}

/// The names in `url(#name)`, of which a filter may have several.
fn urls(value: &str) -> impl Iterator<Item = String> {
    value.split("url(").skip(1).filter_map(|rest| {
        let url = rest.split(')').next()?.trim().trim_matches(['"', '\'']).trim();
        Some(url.strip_prefix('#')?.to_owned())
    })
}

/// An element as selectors see it.
struct Styled<'a, 'input>(Node<'a, 'input>);

impl Element for Styled<'_, '_> {
    fn parent_element(&self) -> Option<Self> {
        self.0.parent_element().map(Styled)
    }

    fn prev_sibling_element(&self) -> Option<Self> {
        self.0.prev_sibling_element().map(Styled)
    }

    fn has_local_name(&self, name: &str) -> bool {
        self.0.tag_name().name() == name
    }

    fn attribute_matches(&self, name: &str, operator: AttributeOperator<'_>) -> bool {
        self.0.attribute(name).is_some_and(|value| operator.matches(value))
    }

    fn pseudo_class_matches(&self, class: PseudoClass<'_>) -> bool {
        matches!(class, PseudoClass::FirstChild) && self.prev_sibling_element().is_none()
    }
}
