//! Nothing: this package exists for its Cargo.lock.
