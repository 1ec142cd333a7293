"""People as judges: a page that shows one dialogue and two replies, blind, and keeps what people choose."""
