"""Rules that show that an inpainting network is not learning, with advice."""

from __future__ import annotations

from neuralgym_lite.health import Rule, above, below, risen

HEALTH_RULES = (
    Rule(
        "wgan_d",
        below(-100.0),
        "the critics have won (real - fake is {value:.3g}), so that the generator learns nothing "
        "from them. Try a lower loss.gan_loss_alpha, or a lower optimizer.critic_learning_rate.",
    ),
    Rule(
        "bce_d",
        below(0.01),
        "the discriminator has won (cross entropy {value:.3g}; one that guesses has 0.69). Try a "
        "lower optimizer.critic_learning_rate, or a lower loss.gan_loss_alpha.",
    ),
    Rule(
        "wgan_gp",
        above(10.0),
        "the gradient penalty is {value:.3g}, where about 1 is usual: the critics are not smooth. "
        "Try a lower optimizer.critic_learning_rate, or a higher loss.wgan_gp_lambda.",
    ),
    Rule(
        "output_std",
        below(0.02),
        "the generator fills everything in one color (standard deviation {value:.3g} in [-1, 1]). "
        "Try a lower optimizer.learning_rate, a larger batch, or start again with another seed.",
    ),
    Rule(
        "ae",
        risen(1.5),
        "the loss over known pixels rises ({value:.3g} on average), though they only have to be "
        "copied. Try a lower optimizer.learning_rate.",
    ),
)
