"""Training: pictures drawn once, made worse as cameras make them, and the two training loops."""
