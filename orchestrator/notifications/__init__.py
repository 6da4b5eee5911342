"""Notifications for apps that are not watching, by webhook or push: written with the job, sent until they arrive."""
