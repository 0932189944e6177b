//! `#{Variable}` substitution.
