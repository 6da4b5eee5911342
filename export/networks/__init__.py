"""The networks themselves: their layers, and the weights that go into them."""
