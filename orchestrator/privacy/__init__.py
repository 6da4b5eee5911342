"""What the service owes the people in its photos: an audit log, export and erasure, retention."""
