"""The worker process: takes attempts out of the queue and runs the pipeline for them."""
