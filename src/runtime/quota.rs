//! How much CPU time the system lets this process use: the quota of its control group and of those around it, as
//! cgroups(7) and the kernel's `sched-bwc` describe them.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// In CPUs, also a part of one: the smallest of all that hold. Nothing where none does.
pub(super) fn of_process() -> Option<f64> {
    of(&read_to_string("/proc/self/cgroup").ok()?, &read_to_string("/proc/self/mountinfo").ok()?)
}

/// What these two files of proc(5) lead to.
fn of(groups: &str, mounts: &str) -> Option<f64> {
    let folders = mounts.lines().filter_map(Mount::parse).flat_map(|mount| mount.folders(groups));
    folders.filter_map(|folder| of_folder(&folder)).min_by(f64::total_cmp)
}

/// A file system of control groups that count CPU time.
#[derive(Debug, PartialEq, Eq)]
struct Mount<'a> {
    /// Version 2 has one hierarchy for everything.
    unified: bool,
    /// The group that is seen at `point`.
    root: &'a Path,
    point: &'a Path,
}

impl<'a> Mount<'a> {
    /// `proc_pid_mountinfo(5)`: `36 35 98:0 /root /point options… - type source superoptions`.
    fn parse(line: &'a str) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let (root, point) = (Path::new(before.next()?), Path::new(before.next()?));
        let mut after = after.split(' ');
        let (kind, options) = (after.next()?, after.nth(1)?);
        let unified = kind == "cgroup2";
        let counts_time = unified || kind == "cgroup" && options.split(',').any(|option| option == "cpu");
        counts_time.then_some(Self { unified, root, point })
    }

    /// The group of this process and those around it, as far as they can be seen. `groups` is /proc/self/cgroup: a line
    /// `4:cpu,cpuacct:/path` for each hierarchy, for version 2 `0::/path`.
    fn folders(&self, groups: &str) -> Vec<PathBuf> {
        let group = groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            let named = if self.unified { "" } else { "cpu" };
            controllers.split(',').any(|controller| controller == named).then_some(path)
        });
        // In a container without a namespace for groups the path is the host's, of which only the root's part is there.
        let Some(group) = group.map(Path::new) else { return Vec::new() };
        let within = group.strip_prefix(self.root).unwrap_or(Path::new(""));
        within.ancestors().map(|part| self.point.join(part)).collect()
    }
}

/// One group's own quota, in CPUs.
fn of_folder(folder: &Path) -> Option<f64> {
    let number = |name: &str| read_to_string(folder.join(name)).ok()?.trim().parse::<f64>().ok();
    let (quota, period) = match read_to_string(folder.join("cpu.max")) {
        Ok(both) => {
            let (quota, period) = both.trim().split_once(' ')?;
            (quota.parse::<f64>().ok()?, period.parse::<f64>().ok()?)
        }
        Err(_) => (number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?),
    };
    // -1 and `max` say that there is none.
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    /// A folder of control groups with these files, of a process whose group and mount are as given.
    fn quota(files: &[(&str, &str)], groups: &str, mount: &str) -> Option<f64> {
        let folder = tempfile::tempdir().expect("a folder");
        for (file, text) in files {
            let file = folder.path().join(file);
            create_dir_all(file.parent().expect("a folder")).expect("made");
            write(file, text).expect("written");
        }
        let point = folder.path().to_str().expect("UTF-8");
        of(groups, &mount.replace("POINT", point))
    }

    const UNIFIED: &str =
        "29 23 0:26 / /sys rw - sysfs sysfs rw\n30 29 0:27 / POINT rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
    const OLDER: &str = "31 29 0:28 / POINT rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n32 29 0:29 / /x rw - cgroup cgroup rw,cpuset\n";

    #[test]
    fn the_smallest_quota_of_all_groups_around_the_process_holds() {
        let files = [
            ("a/b/cpu.max", "150000 100000\n"),
            ("a/cpu.max", "50000 100000\n"),
            ("a/b/c/cpu.max", "max 100000\n"),
        ];
        assert_eq!(quota(&files, "0::/a/b/c\n", UNIFIED), Some(0.5));
        assert_eq!(quota(&files[..1], "0::/a/b/c\n", UNIFIED), Some(1.5));
        assert_eq!(quota(&files[2..], "0::/a/b/c\n", UNIFIED), None);
        assert_eq!(quota(&files, "0::/\n", UNIFIED), None, "groups inside are others'");
    }

    #[test]
    fn version_1_has_it_in_two_files() {
        let of = |quota: &'static str| [("a/cpu.cfs_quota_us", quota), ("a/cpu.cfs_period_us", "20000\n")];
        let groups = "5:cpuset:/elsewhere\n4:cpu,cpuacct:/a\n0::/\n";
        assert_eq!(quota(&of("25000\n"), groups, OLDER), Some(1.25));
        assert_eq!(quota(&of("-1\n"), groups, OLDER), None);
        assert_eq!(quota(&of("25000\n")[..1], groups, OLDER), None);
    }

    #[test]
    fn a_container_sees_its_group_as_the_root() {
        let files = [("cpu.max", "200000 100000\n")];
        assert_eq!(quota(&files, "0::/\n", UNIFIED), Some(2.0));
        // Without a namespace the path is the host's, and the mount says which of it is here.
        let bound = UNIFIED.replace("0:27 / ", "0:27 /docker/abc ");
        assert_eq!(quota(&files, "0::/docker/abc\n", &bound), Some(2.0));
        assert_eq!(quota(&files, "0::/elsewhere\n", &bound), Some(2.0));
    }

    #[test]
    fn what_says_nothing_is_no_quota() {
        for text in ["", "max", "x y", "0 100000", "100000 0", "nan 100000"] {
            assert_eq!(quota(&[("cpu.max", text)], "0::/\n", UNIFIED), None, "{text:?}");
        }
        assert_eq!(quota(&[("cpu.max", "100000 100000")], "", UNIFIED), None);
        assert_eq!(
            quota(&[("cpu.max", "100000 100000")], "0::/\n", "29 23\n - \n1 2 3 4 5 - cgroup2\n"),
            None
        );
    }
}
