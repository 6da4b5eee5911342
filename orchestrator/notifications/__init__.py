"""Telling apps that are not watching: webhooks and push, written with the job and sent until they arrive."""
