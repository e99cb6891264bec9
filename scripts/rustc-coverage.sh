#!/bin/sh
# What cargo calls in rustc's place (RUSTC_WRAPPER) to instrument our own crates alone: what they depend on stays as it has
# been built already, and as fast.
case " $* " in
*" --crate-name unsharp"* | *" --crate-name replay "*) exec "$@" -Cinstrument-coverage ;;
*) exec "$@" ;;
esac
