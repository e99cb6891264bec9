//! A way to stop rav1e, behind the names of `profiling` that it calls.
//!
//! rav1e has none of its own: once it is asked for a picture it goes on to the end. But it says at the start of nearly
//! every function, for profilers, which one that is, several times for a block of 8×8 pixels. So here a function that
//! starts asks whether to go on, and else unwinds up to [`stoppable`].

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use profiling_procmacros::function;

/// At the start of every function with the attribute [`function`].
#[macro_export]
macro_rules! function_scope {
    () => {
        $crate::start_of_function();
    };
}

/// Unwinds where there is a reason to stop.
type Check = Box<dyn Fn()>;

thread_local! {
    /// What the functions of this thread ask.
    static CHECK: RefCell<Option<Check>> = const { RefCell::new(None) };
}

/// What is thrown through the functions that stop: the reason.
struct Stopped<E>(E);

/// What `work` comes to. On this thread, the functions that it calls ask `check` when they start.
///
/// A panic of `work` itself goes on to the caller.
///
/// # Errors
/// The first one of `check`, with which `work` has ended.
pub fn stoppable<T, E: Send + 'static>(
    check: impl Fn() -> Result<(), E> + 'static,
    work: impl FnOnce() -> T,
) -> Result<T, E> {
    let check = move || {
        if let Err(reason) = check() {
            // Not by `panic!`, which would tell of it.
            resume_unwind(Box::new(Stopped(reason)));
        }
    };
    let outer = Outer(CHECK.replace(Some(Box::new(check))));
    // Nothing that was left halfway is seen again: `work` is gone, with all that it had.
    let made = catch_unwind(AssertUnwindSafe(work));
    drop(outer);
    made.or_else(|thrown| match thrown.downcast::<Stopped<E>>() {
        Ok(stopped) => Err(stopped.0),
        Err(panicked) => resume_unwind(panicked),
    })
}

/// What was asked before, and is again afterwards.
struct Outer(Option<Check>);

impl Drop for Outer {
    fn drop(&mut self) {
        CHECK.set(self.0.take());
    }
}

#[doc(hidden)]
pub fn start_of_function() {
    // Whoever cleans up while the stack unwinds is let through: throwing once more would end the process.
    if !std::thread::panicking() {
        CHECK.with_borrow(|check| check.iter().for_each(|check| check()));
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::catch_unwind;
    use std::rc::Rc;

    use super::stoppable;
    // The attribute means this crate by its name.
    use crate as profiling;

    #[profiling::function]
    fn step(done: &Cell<u32>) {
        done.set(done.get() + 1);
    }

    /// Five steps, of which only the first `most` are wanted.
    fn steps(most: u32) -> (Result<&'static str, u32>, u32) {
        let done = Rc::new(Cell::new(0));
        let seen = Rc::clone(&done);
        let check = move || if seen.get() < most { Ok(()) } else { Err(most) };
        let made = stoppable(check, || {
            (0..5).for_each(|_| step(&done));
            "made"
        });
        (made, done.get())
    }

    #[test]
    fn work_ends_at_the_first_function_that_is_not_wanted() {
        assert_eq!(steps(0), (Err(0), 0));
        assert_eq!(steps(3), (Err(3), 3));
        assert_eq!(steps(5), (Ok("made"), 5));
    }

    #[test]
    fn nothing_is_asked_outside_of_it() {
        assert_eq!(steps(0), (Err(0), 0));
        let done = Cell::new(0);
        step(&done);
        assert_eq!(done.get(), 1);
    }

    #[test]
    fn what_it_stands_in_is_asked_again_afterwards() {
        let made = stoppable(
            || Err("outer"),
            || {
                assert_eq!(steps(5), (Ok("made"), 5));
                step(&Cell::new(0));
            },
        );
        assert_eq!(made, Err("outer"));
    }

    #[test]
    fn a_panic_goes_on_to_the_caller() {
        let panicked = catch_unwind(|| stoppable(|| Ok::<(), ()>(()), || panic!("of its own")));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"of its own"));
    }

    #[test]
    fn what_cleans_up_on_the_way_out_is_let_through() {
        struct Cleans(Rc<Cell<u32>>);
        impl Drop for Cleans {
            fn drop(&mut self) {
                step(&self.0);
            }
        }
        let cleaned = Rc::new(Cell::new(0));
        let cleans = Cleans(Rc::clone(&cleaned));
        let made = stoppable(
            || Err("over"),
            move || {
                let _cleans = cleans;
                step(&Cell::new(0));
            },
        );
        assert_eq!((made, cleaned.get()), (Err("over"), 1));
    }
}
