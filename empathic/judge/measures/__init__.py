"""What is measured of replies: each measure scores a reply, or a pair, by itself."""
