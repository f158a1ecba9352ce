"""Estimator: the methods that scikit-learn and pickle require.

It does not inherit from scikit-learn's BaseEstimator, which reads the parameters from the signature of `__init__`; here
they are the fields of Settings. Importing BaseEstimator would also double the import time of the package.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, cast

from ..saving.model import Stored, arrays_of

if TYPE_CHECKING:
    from sklearn.utils import Tags
    from typing_extensions import Self

    from .base import Task


class Estimator:
    """Makes a Task work with pickle and with scikit-learn's `clone`, `cross_val_score` and `GridSearchCV`.

    Examples:
        >>> from sklearn.model_selection import GridSearchCV, cross_val_score
        >>> cross_val_score(kb.TextClassifier("bert-base-chinese"), texts, labels, cv=3)
        >>> GridSearchCV(kb.TextClassifier("bert-base-chinese"), {"learning_rate": [1e-5, 3e-5]}).fit(texts, labels)
    """

    checkpoint: Any
    settings: Any
    _model: Any
    engine_: Any
    _next: Any
    Settings: Any
    KIND: Any = None  # scikit-learn's `estimator_type`; the folds of a "classifier" are stratified by label

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Returns the checkpoint and all settings, as accepted by the constructor.

        Args:
            deep: ignored, since no parameter has parameters of its own.
        """
        return {"checkpoint": self.checkpoint} | (self._next or self.settings).as_dict()

    def set_params(self, **params: Any) -> "Self":
        """Changes the checkpoint or settings; returns self.

        A trained task keeps the settings that its model was built and trained with until the next `fit`. Only those
        that `kbert-predict` also accepts, such as `text_column`, apply at once.

        Raises:
            InputError: there is no such setting, or it cannot have this value.
        """
        asked = self.get_params() | params
        checkpoint, settings = asked.pop("checkpoint"), self.Settings.of(asked)
        if self._model is None:
            self.settings = settings
        else:
            now = [each.name for each in dataclasses.fields(settings) if each.metadata["later"]]
            self.settings = dataclasses.replace(self.settings, **{name: getattr(settings, name) for name in now})
            self._next = settings
        self.checkpoint = checkpoint
        return self

    @property
    def _estimator_type(self) -> str | None:  # scikit-learn before 1.6
        return self.KIND

    def __sklearn_tags__(self) -> "Tags":
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type=self._estimator_type,
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags() if self._estimator_type == "classifier" else None,
            input_tags=InputTags(two_d_array=False, string=True),
        )

    def __sklearn_is_fitted__(self) -> bool:
        return self._model is not None

    # Copies: pickle, copy and joblib call these two ------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        weights = None if self._model is None else arrays_of(self._model)
        # Traced and compiled functions cannot be pickled; the copy makes them again. It does not need the teacher.
        return self.__dict__ | {
            "_made": {},
            "_model": weights,
            "engine_": self.engine_ and self.engine_.folder,
            "teacher_": None,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        from ..inference.openvino import start

        weights, folder = state["_model"], state["engine_"]
        self.__dict__.update(state | {"_model": None, "engine_": None})
        if weights is not None:
            self._model = Stored(weights, "openvino" if folder else "keras")
            self.engine_ = folder and start(cast("Task[Any]", self), folder)  # only Task inherits from Estimator
