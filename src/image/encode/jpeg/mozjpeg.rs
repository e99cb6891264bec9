//! What is used of mozjpeg: its errors become ours, its output a vector, and it stops when the job has to.

use std::any::Any;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use mozjpeg_sys as ffi;

use crate::error::{Error, Result};
use crate::image::limits::Progress;

/// The output grows by at least this many bytes.
const PIECE: usize = 1 << 16;

/// How a picture is to be written.
pub(super) struct Settings {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Else three samples a pixel.
    pub(super) gray: bool,
    /// 1..=100 as libjpeg counts it.
    pub(super) quality: u8,
    /// Trellis quantisation, deringing and progressive scans; else a baseline file.
    pub(super) trellis: bool,
}

/// Writes a JPEG of the rows that `rows` hands to its argument from top to bottom, each of as many bytes as the settings
/// say.
///
/// # Errors
/// [`Error::Encode`] when mozjpeg fails, [`Error::Aborted`] or [`Error::Timeout`] from `progress`, which is looked at
/// before every row of blocks in each of mozjpeg's passes.
pub(super) fn write(
    settings: &Settings,
    progress: &Progress,
    rows: impl FnOnce(&mut dyn FnMut(&[u8])),
) -> Result<Vec<u8>> {
    // mozjpeg has no other way out of the middle of its work than unwinding. No message is printed, for no panic is
    // begun: see `leave`.
    let written = catch_unwind(AssertUnwindSafe(|| {
        let mut compressor = Compressor::new(progress);
        compressor.start(settings);
        let row_bytes = settings.width as usize * if settings.gray { 1 } else { 3 };
        rows(&mut |row| compressor.write(&row[..row_bytes]));
        compressor.finish()
    }));
    written.map_err(|left| match left.downcast::<Error>() {
        Ok(error) => *error,
        Err(panic) => Error::Encode(format!("mozjpeg: {}", text(panic.as_ref()))),
    })
}

/// What mozjpeg's callbacks work with. `info.common.client_data` points at it.
struct State<'a> {
    errors: ffi::jpeg_error_mgr,
    monitor: ffi::jpeg_progress_mgr,
    destination: ffi::jpeg_destination_mgr,
    output: Vec<u8>,
    progress: &'a Progress,
}

/// The C structure and what it points at, freed on every way out.
struct Compressor<'a> {
    info: Box<ffi::jpeg_compress_struct>,
    /// From `Box::into_raw`, because C changes it behind pointers of its own.
    state: *mut State<'a>,
}

impl<'a> Compressor<'a> {
    fn new(progress: &'a Progress) -> Self {
        // SAFETY: numbers, pointers and optional functions, for all of which zero is a value.
        let (info, mut errors) = unsafe { (Box::new(std::mem::zeroed()), std::mem::zeroed()) };
        // SAFETY: it fills the structure in.
        unsafe { ffi::jpeg_std_error(&mut errors) };
        errors.error_exit = Some(fail);
        errors.emit_message = Some(ignore);
        let state = Box::into_raw(Box::new(State {
            errors,
            monitor: ffi::jpeg_progress_mgr {
                progress_monitor: Some(go_on),
                pass_counter: 0,
                pass_limit: 0,
                completed_passes: 0,
                total_passes: 0,
            },
            destination: ffi::jpeg_destination_mgr {
                next_output_byte: ptr::null_mut(),
                free_in_buffer: 0,
                init_destination: Some(begin),
                empty_output_buffer: Some(grow),
                term_destination: Some(end),
            },
            output: Vec::new(),
            progress,
        }));
        let mut compressor = Self { info, state };
        // SAFETY: `state` lives until `drop`, which destroys `info` first. Creating clears all of `info` but the error
        // manager and `client_data`.
        unsafe {
            compressor.info.common.err = &raw mut (*state).errors;
            compressor.info.common.client_data = state.cast();
            ffi::jpeg_CreateCompress(
                &raw mut *compressor.info,
                ffi::JPEG_LIB_VERSION,
                size_of::<ffi::jpeg_compress_struct>(),
            );
            compressor.info.common.progress = &raw mut (*state).monitor;
            compressor.info.dest = &raw mut (*state).destination;
        }
        compressor
    }

    fn start(&mut self, settings: &Settings) {
        let info = &mut *self.info;
        info.image_width = settings.width;
        info.image_height = settings.height;
        (info.in_color_space, info.input_components) =
            if settings.gray { (ffi::JCS_GRAYSCALE, 1) } else { (ffi::JCS_RGB, 3) };
        // SAFETY: `info` has been created, and what the defaults depend on is set.
        unsafe {
            if !settings.trellis {
                let profile = ffi::JCP_FASTEST as c_int;
                ffi::jpeg_c_set_int_param(info, ffi::JINT_COMPRESS_PROFILE, profile);
            }
            ffi::jpeg_set_defaults(info);
            ffi::jpeg_set_quality(info, c_int::from(settings.quality), 0);
            if settings.trellis {
                // Before the scans, which otherwise are those that the search starts from.
                ffi::jpeg_c_set_bool_param(info, ffi::JBOOLEAN_OPTIMIZE_SCANS, 0);
                info.scan_info = ptr::null();
                ffi::jpeg_simple_progression(info);
            }
        }
        info.optimize_coding = 1;
        // 4:2:0: the defaults for three components, said again because they are what sharp says.
        if !settings.gray {
            // SAFETY: the defaults have made room for three components, and nothing else holds a reference to them.
            let components = unsafe { std::slice::from_raw_parts_mut(info.comp_info, 3) };
            for (component, samples) in components.iter_mut().zip([2, 1, 1]) {
                (component.h_samp_factor, component.v_samp_factor) = (samples, samples);
            }
        }
        // SAFETY: all settings are made.
        unsafe { ffi::jpeg_start_compress(info, 1) };
    }

    /// One row; it has as many bytes as the settings say.
    fn write(&mut self, row: &[u8]) {
        let rows = [row.as_ptr()];
        // SAFETY: started, and `write` above has cut the row to the bytes of one. More rows than were announced are
        // ignored with a warning.
        let written = unsafe { ffi::jpeg_write_scanlines(&mut self.info, rows.as_ptr(), 1) };
        debug_assert_eq!(written, 1, "nothing here suspends");
    }

    fn finish(mut self) -> Vec<u8> {
        // SAFETY: started; with fewer rows than announced it leaves through `fail`.
        unsafe { ffi::jpeg_finish_compress(&mut self.info) };
        // SAFETY: no callback runs now.
        unsafe { std::mem::take(&mut (*self.state).output) }
    }
}

impl Drop for Compressor<'_> {
    fn drop(&mut self) {
        // SAFETY: created by `new`, destroyed here alone, at any point of its work; afterwards nothing of C's is left
        // that points at the state, which came from a box.
        unsafe {
            ffi::jpeg_destroy_compress(&mut self.info);
            drop(Box::from_raw(self.state));
        }
    }
}

/// Leaves mozjpeg for [`write`], which takes `error` from there. Not a panic: no hook is told.
fn leave(error: Error) -> ! {
    resume_unwind(Box::new(error))
}

/// Called for every error; mozjpeg does not expect it to return.
unsafe extern "C-unwind" fn fail(common: &mut ffi::jpeg_common_struct) {
    // SAFETY: `Compressor::new` has put the error manager there, and mozjpeg the number of one of its messages, all of
    // which are constants that end in zero.
    let message = unsafe {
        let errors = &*common.err;
        CStr::from_ptr(*errors.jpeg_message_table.offset(errors.msg_code as isize))
    };
    leave(Error::Encode(format!("mozjpeg: {}", message.to_string_lossy())));
}

/// Called for warnings and traces.
unsafe extern "C-unwind" fn ignore(_: &mut ffi::jpeg_common_struct, _level: c_int) {}

/// Called before each row of blocks in each pass.
unsafe extern "C-unwind" fn go_on(common: &mut ffi::jpeg_common_struct) {
    // SAFETY: `Compressor::new` has put a state there that outlives the call.
    let progress = unsafe { (*common.client_data.cast::<State>()).progress };
    if let Err(error) = progress.check() {
        leave(error);
    }
}

/// The output is a vector of zeros, of which mozjpeg fills the last `free_in_buffer`.
unsafe extern "C-unwind" fn begin(info: &mut ffi::jpeg_compress_struct) {
    // SAFETY: as for `go_on`; the fields are apart from those that C works on meanwhile.
    let state = unsafe { &mut *info.common.client_data.cast::<State>() };
    let written = state.output.len();
    state.output.resize(written + PIECE.max(written / 2), 0);
    let rest = &mut state.output[written..];
    state.destination.next_output_byte = rest.as_mut_ptr();
    state.destination.free_in_buffer = rest.len();
}

/// Called when all of the vector is full, whatever `free_in_buffer` says.
unsafe extern "C-unwind" fn grow(info: &mut ffi::jpeg_compress_struct) -> ffi::boolean {
    // SAFETY: the same caller, the same state.
    unsafe { begin(info) };
    1
}

unsafe extern "C-unwind" fn end(info: &mut ffi::jpeg_compress_struct) {
    // SAFETY: as for `begin`.
    let state = unsafe { &mut *info.common.client_data.cast::<State>() };
    let written = state.output.len() - state.destination.free_in_buffer;
    state.output.truncate(written);
}

fn text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "unknown failure",
    }
}
