//! A broker that goes away, comes back, or runs out of room: on a node of one's own.
