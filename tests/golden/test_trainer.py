"""The trainer's losses and gradients against those of the PyTorch port."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from inpaint_tf.importers.torch_names import assign_critic, assign_generator
from inpaint_tf.losses import box_discount, discount_weights, discounted_l1, known_l1
from inpaint_tf.masks import crop_boxes
from inpaint_tf.models import create, create_critic
from inpaint_tf.training.adversarial import AdversarialTrainer
from neuralgym_lite import gan

PARTS = ("netG", "localD", "globalD")


def part(arrays, name):
    return {key.removeprefix(f"{name}."): arrays[key] for key in arrays if key.startswith(name)}


def make_networks(arrays):
    generator = create("ca", width=8, compat="torch")
    critics = [create_critic(kind, width=16, compat="torch") for kind in ("local", "global")]
    assign_generator(generator, part(arrays, "netG"))
    assign_critic(critics[0], part(arrays, "localD"))
    assign_critic(critics[1], part(arrays, "globalD"))
    return generator, *critics


@pytest.fixture(scope="module")
def case(golden):
    return dict(np.load(golden / "losses_trainer_forward.npz"))


@pytest.fixture(scope="module")
def trainer(golden):
    networks = make_networks(np.load(golden / "losses_trainer_weights.npz"))
    # The port gives every sample the attention mask of the first.
    attention = networks[0].refinement.attention
    own_call = attention.call
    attention.call = lambda front, back, mask, **kwargs: own_call(
        front, back, ops.repeat(mask[:1], mask.shape[0], axis=0), **kwargs
    )
    return AdversarialTrainer(*networks)


@pytest.fixture(scope="module")
def batch(case, trainer):
    pairs = zip(case["mask"], case["bboxes"], strict=True)
    discount = np.stack([discount_weights(mask, box, 0.9, "box") for mask, box in pairs])
    alpha = np.stack([case["alpha_local"], case["alpha_global"]], axis=1)
    data = {
        "image": case["image_uint8"][:, None],
        "mask": case["mask"][:, None],
        "box": case["bboxes"].astype("int32")[:, None],
        "alpha": alpha[:, None],
        "discount": discount,
    }
    return trainer.prepare({name: ops.convert_to_tensor(x) for name, x in data.items()}, 0)


@pytest.fixture(scope="module")
def results(trainer, batch):
    generator_gradients, fake, generator_logs = trainer.generator_gradients(batch)
    critic_gradients, critic_logs = trainer.critic_gradients(batch, fake)
    return generator_gradients, critic_gradients, {**generator_logs, **critic_logs}


def test_pictures(trainer, batch, case):
    outputs = trainer.generator((batch["masked"], batch["mask"]))
    np.testing.assert_allclose(outputs["coarse"], case["x1"], atol=2e-5)
    np.testing.assert_allclose(outputs["refined"], case["x2"], atol=3e-4)


@pytest.mark.parametrize("name", ["l1", "ae", "wgan_g", "wgan_d", "wgan_gp", "d_total", "g_total"])
def test_loss(results, case, name):
    assert float(results[2][name]) == pytest.approx(float(case[f"loss:{name}"]), rel=1e-3)


def test_gradients_of_every_parameter(results, trainer, golden):
    arrays = np.load(golden / "losses_trainer_grads.npz")
    # A gradient laid out as a weight is put where that weight belongs.
    expected = make_networks({key[2:]: arrays[key] for key in arrays})
    networks = (trainer.generator, trainer.local_critic, trainer.global_critic)
    variables = [v for network in networks for v in network.trainable_variables]
    values = [v for network in expected for v in network.trainable_variables]
    gradients = [*results[0], *results[1]]
    assert len(gradients) == len(variables) == len(values) == len(arrays.files)
    for variable, gradient, value in zip(variables, gradients, values, strict=True):
        scale = np.abs(value.numpy()).max()
        error = np.abs(gradient.numpy() - value.numpy()).max()
        assert error <= 1e-3 * scale, (variable.path, error, scale)


def test_formulas_of_the_2018_release(case, trainer, batch):
    image, mask = batch["image"], batch["mask"]
    area = 128 * 128
    weights = np.zeros((2, 256, 256, 1), "float32")
    for weight, (top, left, height, width) in zip(weights, case["bboxes"], strict=True):
        weight[top : top + height, left : left + width, 0] = box_discount(height, width)
    l1 = 1.2 * discounted_l1(image, case["x1"], weights, area)
    l1 += discounted_l1(image, case["x2"], weights, area)
    ae = 1.2 * known_l1(image, case["x1"], mask, normalise=True)
    ae += known_l1(image, case["x2"], mask, normalise=True)
    assert float(l1) == pytest.approx(float(case["loss:jiahui_l1"]), rel=1e-4)
    assert float(ae) == pytest.approx(float(case["loss:jiahui_ae"]), rel=1e-4)

    fake = case["x2"] * case["mask"] + image * (1 - mask)
    crop = [crop_boxes(x, batch["box"], 128, 128) for x in (image, fake, mask)]
    sides = {
        "local": (trainer.local_critic, *crop, case["alpha_local"]),
        "global": (trainer.global_critic, image, fake, mask, case["alpha_global"]),
    }
    for name, (critic, real, generated, where, alpha) in sides.items():
        between = gan.interpolate(real, generated, alpha)
        penalty = gan.gradient_penalty(gan.input_gradients(critic, between), where)
        assert float(penalty) == pytest.approx(float(case[f"loss:jiahui_gp_{name}"]), rel=1e-4)
