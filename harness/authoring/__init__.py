"""For authors and instructors: starting a submission, looking at a foreign one, checking on every save."""
