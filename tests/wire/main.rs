//! The wire as strangers use it: with another client, with messages that are too long, and with bytes that are no message.

mod frames;
mod repeats;
mod strangers;
