//! The Next config that the image path reads, from the user's object or from the build's own manifests.
