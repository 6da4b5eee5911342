"""What people read: codes for programs, English sentences, and their translations."""
