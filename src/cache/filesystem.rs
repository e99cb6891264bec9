//! Next's own layout on disk, so that Next and unsharp can share a folder.
