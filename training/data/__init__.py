"""The scenes, their reference masks, and the crops that are drawn from them."""
