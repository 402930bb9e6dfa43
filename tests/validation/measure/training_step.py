"""From a scenario's training block to a callable that does one whole optimizer step on one GPU."""
import contextlib

import torch

import cases
from decoder import Decoder, Shape, read_config

LEARNING_RATE = 1e-5  # small: a batch that repeats must not drive weights to NaN, which draw less power
TINY_TOKENS = 32


@contextlib.contextmanager
def built_on(device, dtype):
    """Modules made inside have their weights there and of that type, from the start."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def shape_of(block, is_tiny):
    model = block["model"]
    name, layers = ((model, block.get("layers")) if isinstance(model, str)
                    else (model["base"], model["num_hidden_layers"]))
    shape = Shape.of(name, layers)
    return shape.tiny() if is_tiny else shape


def tokens_of(block, is_tiny):
    return TINY_TOKENS if is_tiny else block["sequence_length"]


def random_tokens(shape, sequences, tokens, device):
    return torch.randint(0, shape.vocabulary, (sequences, tokens), device=device)


def adamw(parameters):
    return torch.optim.AdamW(parameters, lr=LEARNING_RATE, fused=True)


def hugging_face_model(block, shape, device, is_tiny):
    """The model of the package transformers as it comes: default attention, loss by `labels=`."""
    import transformers
    if shape.has_learned_positions:
        config = transformers.GPT2Config(
            vocab_size=shape.vocabulary, n_positions=shape.positions, n_embd=shape.hidden,
            n_layer=shape.layers, n_head=shape.heads, n_inner=shape.ffn, resid_pdrop=0.0,
            embd_pdrop=0.0, attn_pdrop=0.0, activation_function="gelu")
    else:
        fields = read_config(block["model"])
        kind = fields.pop("model_type")
        for key in ("architectures", "torch_dtype", "transformers_version", "pretraining_tp"):
            fields.pop(key, None)
        fields["num_hidden_layers"] = shape.layers
        if is_tiny:
            fields |= {"hidden_size": shape.hidden, "num_attention_heads": shape.heads,
                       "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_dim,
                       "intermediate_size": shape.ffn, "vocab_size": shape.vocabulary}
            fields |= {key: value for key, value in (("num_experts", shape.experts),
                                                     ("num_local_experts", shape.experts),
                                                     ("moe_intermediate_size", shape.ffn),
                                                     ("num_experts_per_tok", shape.top_k))
                       if key in fields}
        config = transformers.CONFIG_MAPPING[kind](**fields)
    config.use_cache = False
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.train()
    if block["recompute"] == "full":
        model.gradient_checkpointing_enable()
    return model


class OneGpuTraining:
    """`step()` enqueues one optimizer step: micro-batches forward and backward, AdamW, gradients
    dropped."""

    def __init__(self, scenario, device, is_tiny):
        block = scenario["training"]
        self.block = block
        shape = shape_of(block, is_tiny)
        tokens = tokens_of(block, is_tiny)
        framework = cases.framework_of(block)
        if framework == "transformers":
            self.model = hugging_face_model(block, shape, device, is_tiny)
            self.loss = lambda x, y: self.model(input_ids=x, labels=y).loss
        else:
            with built_on(device, torch.bfloat16):
                self.model = Decoder(shape, tokens, recompute=block["recompute"] == "full")
            self.loss = self.model
            if framework == "pytorch-compile":
                torch._dynamo.reset()
                self.loss = torch.compile(self.model, dynamic=False)
        count = block["global_batch"] // block["micro_batch"]
        self.batches = [(random_tokens(shape, block["micro_batch"], tokens, device),
                         random_tokens(shape, block["micro_batch"], tokens, device))
                        for _ in range(count)]
        self.optimizer = None
        self.last_loss = None

    def gradients(self):
        count = len(self.batches)
        for x, y in self.batches:
            loss = self.loss(x, y)
            (loss / count if count > 1 else loss).backward()
        self.last_loss = loss.detach()

    def step(self):
        if self.optimizer is None:
            self.optimizer = adamw(self.model.parameters())
        self.gradients()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
