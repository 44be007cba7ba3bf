"""The design of Keras's DCGAN example, written anew on Keras's torch backend: a model with a train step of its own."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import clock
import keras
import numpy as np
import torch
from keras import layers

LATENT, BATCH, SLOPE = 128, 32, 0.2
DOWN = {"kernel_size": 4, "strides": 2, "padding": "same"}


def discriminator() -> keras.Model:
    blocks = [part for width in (64, 128, 128) for part in (layers.Conv2D(width, **DOWN), layers.LeakyReLU(SLOPE))]
    head = [layers.Flatten(), layers.Dropout(0.2), layers.Dense(1)]
    return keras.Sequential([keras.Input((64, 64, 3)), *blocks, *head], name="discriminator")


def generator() -> keras.Model:
    blocks = [layers.Dense(8 * 8 * 128), layers.Reshape((8, 8, 128))]
    for width in (128, 256, 512):
        blocks += [layers.Conv2DTranspose(width, **DOWN), layers.LeakyReLU(SLOPE)]
    last = layers.Conv2D(3, kernel_size=5, padding="same", activation="sigmoid")
    return keras.Sequential([keras.Input((LATENT,)), *blocks, last], name="generator")


class GAN(keras.Model):
    """Both networks, each with an optimizer; fakes are labelled 1, reals 0."""

    def __init__(self):
        super().__init__()
        self.generator, self.discriminator = generator(), discriminator()
        self.rates = {one.name: keras.optimizers.Adam(1e-4) for one in (self.generator, self.discriminator)}
        self.loss_of = keras.losses.BinaryCrossentropy(from_logits=True)  # with noise, labels exceed 1
        self.built = True  # its networks are, and it is never called itself

    def train_step(self, real):
        n = len(real)
        fake = self.generator(keras.random.normal((n, LATENT)))
        labels = torch.cat((torch.ones(n, 1), torch.zeros(n, 1)))
        noisy = labels + 0.05 * torch.rand_like(labels)
        loss_d = self.loss_of(noisy, self.discriminator(torch.cat((fake.detach(), real)), training=True))
        self.minimise(loss_d, self.discriminator)
        fooled = self.discriminator(self.generator(keras.random.normal((n, LATENT))), training=True)
        loss_g = self.loss_of(torch.zeros(n, 1), fooled)
        self.minimise(loss_g, self.generator)
        return {"loss_d": loss_d, "loss_g": loss_g}

    def minimise(self, loss, network: keras.Model) -> None:
        self.zero_grad()
        loss.backward()
        weights = network.trainable_weights
        with torch.no_grad():
            self.rates[network.name].apply([weight.value.grad for weight in weights], weights)


class Clock(keras.callbacks.Callback):
    """Counts pictures and ends training when the time is up."""

    seen = 0

    def on_train_batch_end(self, batch, logs=None):
        self.seen += BATCH
        self.model.stop_training = not turn.goes_on()


turn, watch = clock.Turn(), Clock()
keras.utils.set_random_seed(turn.seed)
images = turn.pictures().astype(np.float32) / 255
images = images[: len(images) // BATCH * BATCH]
gan = GAN()
gan.compile()
gan.fit(images, batch_size=BATCH, epochs=10**6, callbacks=[watch], verbose=0)
turn.trained(watch.seen)
with torch.no_grad():
    turn.draw(lambda n: clock.from_unit(gan.generator(keras.random.normal((n, LATENT))).permute(0, 3, 1, 2)))
