use super::*;

#[test]
fn image_threads_are_where_the_main_thread_is_and_on_as_many_cpus_as_the_quota_pays_for() {
    let mut place = Place::default();
    assert!(place.follow(2, &[0, 1, 2, 3], 1));
    assert_eq!(place.cpus, [2]);
    assert!(place.follow(2, &[0, 1, 2, 3], 2));
    assert_eq!(place.cpus, [2, 0]);
}

#[test]
fn they_stay_when_the_main_thread_moves_among_their_cpus_and_move_as_little_as_they_can() {
    let mut place = Place { cpus: vec![2, 0] };
    assert!(!place.follow(0, &[0, 1, 2, 3], 2), "both CPUs are theirs already");
    assert_eq!(place.cpus, [0, 2]);
    assert!(place.follow(3, &[0, 1, 2, 3], 2));
    assert_eq!(place.cpus, [3, 0]);
}

#[test]
fn cpus_that_were_taken_away_are_left() {
    let mut place = Place { cpus: vec![3, 0] };
    assert!(place.follow(3, &[2, 3], 2));
    assert_eq!(place.cpus, [3, 2]);
    place.follow(3, &[3], 2);
    assert_eq!(place.cpus, [3]);
}

#[test]
fn a_thread_with_work_that_gets_less_than_a_fifth_of_a_cpu_is_short_of_it() {
    let begun = Instant::now();
    let after = |ms| begun + Duration::from_millis(ms);
    let used = Duration::from_millis;
    let mut share = Share::default();
    share.begin(begun);
    assert!(share.is_too_small(used(90), after(500)));
    assert!(!share.is_too_small(used(190), after(1000)), "only the time since the last look counts");
    share.end(after(1100));
    assert!(!share.is_too_small(used(190), after(1500)), "with little to do it is short of nothing");
    share.begin(after(1600));
    share.end(after(1800));
    share.begin(after(1900));
    assert!(share.is_too_small(used(240), after(2000)), "work in pieces is work");
}

#[test]
fn a_line_of_proc_is_read_whatever_the_name_of_the_thread() {
    let line = |name: &str| {
        format!(
            "12 ({name}) S 1 12 12 0 -1 4194304 100 0 0 0 250 30 0 0 20 0 1 0 5 1000 10 18446744073709551615 \
             1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0"
        )
    };
    for name in ["node", "a) R 1 (b", ""] {
        assert_eq!(parse_stat(&line(name)), Some(Stat { cpu: 3, used: Duration::from_millis(2800) }));
    }
    for broken in ["", "12 (node) S 1", "12 (node", &line("x").replace(" 250 ", " many ")] {
        assert_eq!(parse_stat(broken), None, "{broken}");
    }
}

#[test]
fn a_thread_of_the_pool_runs_on_no_more_cpus_than_its_placement_has() {
    let placement = Placement::new(1.0).expect("Linux says where threads are");
    let seen = std::thread::spawn(move || {
        let worker = placement.join();
        placement.begin(worker);
        let cpus = sched_getaffinity(None).unwrap().count();
        placement.end(worker);
        cpus
    });
    assert_eq!(seen.join().unwrap(), 1);
    let own = sched_getaffinity(Some(getpid())).unwrap();
    assert_eq!(
        Some(own.count() as usize),
        allowed_cpus().map(|cpus| cpus.len()),
        "the main thread is not touched"
    );
}
