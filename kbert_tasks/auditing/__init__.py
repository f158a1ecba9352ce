"""Finding wrong labels and other problems of labelled texts, before or instead of training on them."""
