"""The media the sandbox delivers: pictures, video and sound, drawn from the prompt and the seed alone."""
