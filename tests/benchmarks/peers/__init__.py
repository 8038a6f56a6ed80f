"""Other toolkits at the same work: the same segmentation, sizes, dropout and token budget, each in an environment of its own.

What they count was read in their source, and checked on sentences of known length where they tell: target tokens, the end of a
sentence among them and padding not. So do we.
"""
