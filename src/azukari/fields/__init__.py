"""The frame that holds the inputs in a shop's own page: on our origin, where no script of the shop's can read them."""
