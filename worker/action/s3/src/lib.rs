//! Files into S3 buckets: whole, in parts, in parallel, verified, and only where something changed.
