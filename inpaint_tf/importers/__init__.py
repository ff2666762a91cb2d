"""Other people's weights, put into our networks."""
