"""Text to emoji: EmotiGAN's networks and their successors, one pair of classes which differ by their options."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_lib import BadInput
from emoji_lib.nets import dcgan, layered
from emoji_lib.nets.layers import Dropout, Latents, check, in_float32, initialise, seeded
from emoji_lib.nets.registry import register
from emoji_lib.nets.spectral import spectral_norm

CONDITIONS = ("concatenate", "project")
PHRASES = 2**23  # between the stream of a seed's noise and that of its phrases


def drop(blocks: nn.Sequential, probability: float) -> nn.Sequential:
    """Add dropout to the end of each block, in place."""
    if not 0 <= probability < 1:
        raise BadInput(f"dropout {probability} is not a probability in 0..1 (0.25 is usual, 0 is none)")
    if probability:
        for one in blocks:
            one.append(Dropout(probability))
    return blocks


class Phrase(nn.Module):
    """Embeddings `[N, E]` of any length → `[N, P]`: a dense layer on the embedding at length √E, entries near 1."""

    def __init__(self, embedding: int, projected: int):
        super().__init__()
        self.dense = nn.Linear(embedding, projected)

    def forward(self, embeddings: Tensor) -> Tensor:
        scaled = F.normalize(embeddings) * math.sqrt(embeddings.shape[1])
        return self.dense(scaled)


class ForPhrases(Latents):
    """What generators for phrases share: latents `[N, latent + E]` are noise beside the embedding of a phrase.

    The embedding is projected to `projected` numbers, which the network gets beside the noise (conditional GAN, Mirza
    and Osindero 2014; Reed et al. 2016). `known` embeddings of training phrases are stored with the weights, in the
    buffer `phrases`, and `latents` draws from these, so that sampling needs no text encoder.
    """

    # The weight w of p(∅) + w (p(phrase) − p(∅)), with p the projection and ∅ no phrase. Differs from Ho and Salimans
    # 2022, eq. 6: it guides the projected phrase and not the network's output, and their w is less by 1.
    guidance = 1.0

    def _add_phrases(self, embedding: int, projected: int, known: int) -> None:
        self.phrase = Phrase(embedding, projected)
        self.register_buffer("phrases", torch.zeros(known, embedding))

    def inputs(self, latents: Tensor) -> Tensor:
        """Latents `[N, latent + E]` → noise beside the projected phrase, `[N, latent + P]`."""
        latent, embedding = self.options["latent"], self.options["embedding"]
        check(latents, f"latents of {latent} and embeddings of {embedding}", latent + embedding)
        phrase = self.phrase(latents[:, latent:])
        if self.guidance != 1:
            phrase = torch.lerp(self.phrase(torch.zeros_like(latents[:, latent:])), phrase, self.guidance)
        return torch.cat((latents[:, :latent], phrase), 1)

    def about(self, embeddings: Tensor, rng: torch.Generator) -> Tensor:
        """Latents `[N, latent + E]` for the phrases `[N, E]`, with standard normal noise on the device of `rng`."""
        noise = torch.randn(len(embeddings), self.options["latent"], generator=rng, device=rng.device)
        return torch.cat((noise, embeddings), 1)

    def latents(self, n: int, seed: int) -> Tensor:
        """Latents `[N, latent + E]` for known phrases at random; the first ones are the same for any `n`."""
        phrases = torch.randint(len(self.phrases), (self.whole(n),), generator=seeded(seed, apart=PHRASES))
        return self.about(self.phrases.cpu()[phrases], seeded(seed))[:n]


@register
class Generator(ForPhrases, nn.Module):
    """Latents `[N, latent + E]` → images `[N, channels, 72, 72]` in −1..1, by a DCGAN.

    `dropout` follows every block but the last; other options are those of `dcgan.Generator`.
    """

    def __init__(
        self,
        features: int = 64,
        latent: int = 100,
        channels: int = 4,
        *,
        embedding: int = 384,
        projected: int = 128,
        known: int = 1,
        dropout: float = 0.0,
        **design,
    ):
        super().__init__()
        self._add_phrases(embedding, projected, known)
        self.draw = dcgan.Generator(features, latent + projected, channels, **design)
        drop(self.draw.layers[:-1], dropout)

    def forward(self, latents: Tensor) -> Tensor:
        return self.draw(self.inputs(latents))


@register
class LayeredGenerator(ForPhrases, layered.Generator):
    """Latents `[N, latent + E]` → premultiplied RGBA `[N, 4, size, size]` in −1..1, by layers.

    Fields and colours get both noise and phrase; other options are those of `layered.Generator`. The `colour_latent`
    is the last numbers of the projected phrase, on which then only colours depend.
    """

    def __init__(
        self,
        features: int = 32,
        latent: int = 100,
        *,
        embedding: int = 384,
        projected: int = 128,
        known: int = 1,
        layers: int = 12,
        fields: str = "fine",
        masks: str = "softmax",
        sharpness: float = 2.0,
        colour_latent: int = 0,
    ):
        design = {"layers": layers, "fields": fields, "masks": masks, "sharpness": sharpness}
        super().__init__(features, latent + projected, **design, colour_latent=colour_latent)
        self._add_phrases(embedding, projected, known)

    def fields(self, latents: Tensor) -> Tensor:
        return super().fields(self.inputs(latents))

    def colours(self, latents: Tensor) -> Tensor:
        return super().colours(self.inputs(latents))


class MinibatchDiscrimination(nn.Module):
    """Features `[N, A]` → `[N, A + B]`: how near each example is to the rest of its batch (Salimans et al. 2016, 3.2).

    With M_i = f_i T in `[B, C]`, the B numbers are o_ib = Σ_j exp(−‖M_ib − M_jb‖₁), the example itself included.
    """

    def __init__(self, features: int, kernels: int = 32, size: int = 8):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(features, kernels, size) / math.sqrt(features))

    def forward(self, features: Tensor) -> Tensor:
        rows = torch.einsum("na,abc->nbc", features, self.weight)
        near = torch.exp(-(rows[:, None] - rows[None]).abs().sum(3)).sum(1)
        return torch.cat((features, near), 1)


@register
class Discriminator(nn.Module):
    """Images `[N, channels, 72, 72]` and embeddings `[N, E]` → logits `[N]`, high for real where the loss says so.

    `condition` is how they are combined. `concatenate`: the projected phrase is appended to each of the 4×4 features,
    followed by a 1×1 convolution and a dense layer (Reed et al. 2016) and minibatch discrimination with `kernels`.
    `project`: the logit of the picture alone plus the inner product of its mean features with the phrase (Miyato and
    Koyama 2018; differs: a sentence embedding in place of a class, divided by the root of the number of features);
    then `kernels` and `projected` are not used. Other options are those of `dcgan.Discriminator`.
    """

    def __init__(
        self,
        features: int = 64,
        channels: int = 4,
        *,
        embedding: int = 384,
        projected: int = 128,
        condition: str = "concatenate",
        kernels: int = 32,
        dropout: float = 0.0,
        **design,
    ):
        super().__init__()
        if condition not in CONDITIONS:
            raise BadInput(f"unknown condition {condition!r}: {', '.join(CONDITIONS)}")
        if kernels < 0:
            raise BadInput(f"minibatch kernels {kernels} must not be negative; 0 leaves minibatch discrimination out")
        trunk = dcgan.Discriminator(features, channels, **design)
        wide = 8 * features
        self.layers = drop(trunk.layers, dropout)
        if condition == "project":
            self.head = trunk.head
            self.phrase = Phrase(embedding, wide)
            spectral_norm(self.phrase.dense)
            return
        self.phrase = Phrase(embedding, projected)
        self.joint = nn.Sequential(
            *(nn.Conv2d(wide + projected, wide, 1), nn.LeakyReLU(0.2), Dropout(dropout), nn.Flatten()),
            *(nn.Linear(16 * wide, 128), nn.LeakyReLU(0.2)),
        )
        initialise(self.joint, trunk.options["init"])
        self.batch = MinibatchDiscrimination(128, kernels) if kernels else nn.Identity()
        self.head = nn.Linear(128 + kernels, 1)

    def forward(self, images: Tensor, embeddings: Tensor) -> Tensor:
        check(images, "images", self.options["channels"], 72, 72)
        seen, phrase = self.layers(images), self.phrase(embeddings)
        if self.options["condition"] == "project":
            return in_float32(self.projection, seen, phrase)
        beside = phrase[:, :, None, None].expand(-1, -1, *seen.shape[2:]).to(seen.dtype)
        joint = self.joint(torch.cat((seen, beside), 1))
        return in_float32(lambda features: self.head(self.batch(features)), joint)[:, 0]

    def projection(self, seen: Tensor, phrase: Tensor) -> Tensor:
        """The logits `[N]` of features `[N, C, 4, 4]` and projected phrases `[N, C]`."""
        return self.head(seen)[:, 0, 0, 0] + (seen.mean((2, 3)) * phrase).sum(1) / math.sqrt(seen.shape[1])


@register
class Classifier(nn.Module):
    """RGB images `[N, 3, 72, 72]` in −1..1 → logits `[N, classes]`: a discriminator that ends in a softmax's logits."""

    def __init__(self, classes: int, features: int = 24):
        super().__init__()
        self.layers = drop(dcgan.Discriminator(features, 3).layers, 0.25)
        self.head = nn.Linear(16 * 8 * features, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.layers(images).flatten(1).float())
