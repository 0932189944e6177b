//! Steps under AWS identities, against an emulator that verifies signatures, and the emulator's own surroundings first.

mod metadata;
