//! What survives the death of whoever works on a stack.
