"""The names of Azure ML's SDK v1 that packaging a model takes, made on this machine (docs/sdk-v1.md).

Change the imports of such a script, ``azureml`` to ``dagger_aml.azureml``, and the rest of it stays as it is:

    from dagger_aml.azureml.core import Environment, Workspace
    from dagger_aml.azureml.core.model import InferenceConfig, Model

Nothing here reaches Azure; what would, raises and says where to do it.
"""
