"""The parts of a drawn eye picture: noise, iris, face, light, camera and the things that are no eye."""
