# ruff: noqa: F821 (this is added to the end of right.py)
# The right network without the work: no gradients, no training. What an attack gains would show as points.
class Weak(Model):
    def loss_and_gradients(self, X, y):
        return 1.0, [np.zeros_like(w) for w in self.weights]

    def fit(self, X, y, **options):
        pass


Model = Weak
