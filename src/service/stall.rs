//! A connection whose client takes nothing of its answer for too long.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio_io_timeout::TimeoutStream;

/// Bounds how long a write may wait for the client. Reads are bounded where heads of requests are read: while an image
/// is being made, a client has nothing to send.
pub(super) fn guarded(
    stream: TcpStream,
    write_timeout: Duration,
) -> io::Result<std::pin::Pin<Box<TimeoutStream<TcpStream>>>> {
    stream.set_nodelay(true)?;
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(write_timeout));
    Ok(Box::pin(stream))
}
