//! Groups of similar pixels to clusters, each of which becomes a color of the palette: the histogram is cut in
//! two where that gains most, again and again (Wu), and the clusters then settle by k-means.

use super::histogram::{Group, Histogram, TRANSLUCENT_WEIGHT};
use super::nearest::Nearest;
use super::space::{self, Point, distance};
use crate::error::Result;
use crate::image::limits::Progress;

/// A color of the palette to be.
#[derive(Clone, Copy)]
pub(super) struct Cluster {
    pub(super) color: [u8; 4],
    /// Many of its pixels have exactly this color: a flat area.
    pub(super) flat: bool,
}

/// At most 256, together with one for transparent pixels if the histogram has those.
pub(super) struct Clusters {
    pub(super) translucent: Vec<Cluster>,
    pub(super) opaque: Vec<Cluster>,
    /// The mean square error.
    pub(super) error: f32,
}

/// k-means gains little after a few rounds.
const ROUNDS: usize = 3;

/// The part of a cluster's pixels from which on one color among them becomes the cluster's. An exact color needs
/// no dithering; that makes flat areas flat, and small.
const FLAT: f64 = 0.3;

/// As few clusters as keep the error within `target`. Translucent and opaque pixels never share one.
pub(super) fn clusters(histogram: &mut Histogram, target: f32, progress: &Progress) -> Result<Clusters> {
    let most = 256 - usize::from(histogram.transparent);
    let weight = |groups: &[Group]| groups.iter().map(|group| group.weight).sum::<f32>();
    let weight = weight(&histogram.translucent) / TRANSLUCENT_WEIGHT + weight(&histogram.opaque);
    let mut cuts = Vec::with_capacity(most);
    for (groups, opaque) in [(&mut histogram.translucent, false), (&mut histogram.opaque, true)] {
        if !groups.is_empty() {
            cuts.push(Cut::new(groups, opaque));
        }
    }
    let total = |cuts: &[Cut]| cuts.iter().map(|cut| cut.error).sum::<f32>();
    while cuts.len() < most && total(&cuts) > target * weight {
        let worst = (0..cuts.len()).max_by(|&a, &b| cuts[a].error.total_cmp(&cuts[b].error));
        let Some(worst) = worst.filter(|&worst| cuts[worst].error > 0.0) else { break };
        let halves = cuts.swap_remove(worst).halves();
        cuts.extend(halves);
    }
    progress.check()?;
    let error = total(&cuts) / weight;
    let means = |opaque| cuts.iter().filter(|cut| cut.opaque == opaque).map(|cut| cut.mean).collect();
    let (translucent, opaque) = (means(false), means(true));
    Ok(Clusters {
        translucent: settled(translucent, &histogram.translucent, progress)?,
        opaque: settled(opaque, &histogram.opaque, progress)?,
        error,
    })
}

/// A part of the histogram.
struct Cut<'a> {
    groups: &'a mut [Group],
    opaque: bool,
    mean: Point,
    /// Squared distances to the mean, summed; 0 when it can't be cut.
    error: f32,
    /// The axis with the largest part in the error, and where the groups begin and end on it.
    axis: usize,
    low: f32,
    high: f32,
}

impl<'a> Cut<'a> {
    /// Of one group at least.
    fn new(groups: &'a mut [Group], opaque: bool) -> Self {
        let (mut weight, mut sums, mut squares) = (0.0, [0.0; 4], [0.0; 4]);
        let (mut low, mut high) = ([f32::MAX; 4], [f32::MIN; 4]);
        for group in groups.iter() {
            let part = f64::from(group.weight);
            weight += part;
            for axis in 0..4 {
                let at = group.mean[axis];
                sums[axis] += part * f64::from(at);
                squares[axis] += part * f64::from(at).powi(2);
                low[axis] = low[axis].min(at);
                high[axis] = high[axis].max(at);
            }
        }
        let errors: [f64; 4] = std::array::from_fn(|axis| {
            // Rounding leaves a rest where all are the same.
            if low[axis] < high[axis] { (squares[axis] - sums[axis].powi(2) / weight).max(0.0) } else { 0.0 }
        });
        let axis = (0..4).max_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap_or(0);
        Self {
            mean: sums.map(|sum| (sum / weight) as f32),
            error: errors.iter().sum::<f64>() as f32,
            axis,
            low: low[axis],
            high: high[axis],
            groups,
            opaque,
        }
    }

    /// Cut across the axis, so that the errors of both halves along it are smallest together.
    fn halves(self) -> [Self; 2] {
        const BINS: usize = 64;
        let along = |group: &Group| group.mean[self.axis] - self.low;
        let scale = BINS as f32 / (self.high - self.low);
        let bin = |group: &Group| ((along(group) * scale) as usize).min(BINS - 1);
        let mut bins = [(0.0, 0.0); BINS];
        for group in self.groups.iter() {
            let (weight, sum) = &mut bins[bin(group)];
            *weight += f64::from(group.weight);
            *sum += f64::from(group.weight) * f64::from(along(group));
        }
        let plus = |a: (f64, f64), b: (f64, f64)| (a.0 + b.0, a.1 + b.1);
        let all = bins.into_iter().fold((0.0, 0.0), plus);
        // The first bin holds the lowest group and the last one the highest, so neither half is ever empty.
        let (mut below, mut most, mut border) = ((0.0, 0.0), 0.0, 1);
        for (number, &here) in bins[..BINS - 1].iter().enumerate() {
            below = plus(below, here);
            let above = (all.0 - below.0, all.1 - below.1);
            let gain = below.1.powi(2) / below.0 + above.1.powi(2) / above.0;
            if gain > most {
                (most, border) = (gain, number + 1);
            }
        }
        let mut middle = 0;
        for i in 0..self.groups.len() {
            if bin(&self.groups[i]) < border {
                self.groups.swap(i, middle);
                middle += 1;
            }
        }
        let (below, above) = self.groups.split_at_mut(middle);
        [Self::new(below, self.opaque), Self::new(above, self.opaque)]
    }
}

/// The clusters around `means` once k-means has moved those.
fn settled(mut means: Vec<Point>, groups: &[Group], progress: &Progress) -> Result<Vec<Cluster>> {
    let mut owners = vec![0; groups.len()];
    for _ in 0..ROUNDS {
        progress.check()?;
        let nearest = Nearest::new(&means);
        let mut sums = vec![([0.0; 4], 0.0); means.len()];
        for (group, owner) in groups.iter().zip(&mut owners) {
            *owner = nearest.to(group.mean);
            let (sum, weight) = &mut sums[*owner];
            for (sum, at) in sum.iter_mut().zip(group.mean) {
                *sum += group.weight * at;
            }
            *weight += group.weight;
        }
        let mut moved = 0.0;
        for (mean, (sum, weight)) in means.iter_mut().zip(sums) {
            if weight > 0.0 {
                let next = sum.map(|sum| sum / weight);
                moved += distance(*mean, next);
                *mean = next;
            }
        }
        if moved < 0.01 * means.len() as f32 {
            break;
        }
    }
    let mut members = vec![(0, (0, [0; 4])); means.len()];
    for (group, owner) in groups.iter().zip(owners) {
        let (pixels, majority) = &mut members[owner];
        *pixels += u64::from(group.pixels);
        *majority = (*majority).max((group.lead, group.majority));
    }
    let cluster = |(mean, (pixels, (lead, color))): (Point, (u64, (u32, [u8; 4])))| {
        let flat = lead > 0 && f64::from(lead) >= pixels as f64 * FLAT;
        Cluster { color: if flat { color } else { space::color(mean) }, flat }
    };
    Ok(means.into_iter().zip(members).map(cluster).collect())
}
