//! Streaming secret masking.
