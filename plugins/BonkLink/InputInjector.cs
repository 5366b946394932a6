// The agent's hands in play: writes the game's own input fields right after the game read the human's. Main thread.
using System;
using Assets.Scripts.Actors.Player;
using HarmonyLib;
using UnityEngine;

namespace BonkLink;

public sealed class InputInjector
{
    private const float LowestPitch = -40, HighestPitch = 75;
    private static InputInjector? _current;
    private readonly Harmony _harmony;
    private float _yaw, _pitch;

    public InputInjector(string plugin)
    {
        _harmony = new Harmony(plugin + ".input");
        _current = this;
    }

    /// <summary>False leaves the human's input alone.</summary>
    public bool IsDriven { get; set; }

    /// <summary>What the agent does in this frame.</summary>
    public PlayControls Controls { get; set; }

    public void Patch(Action<string> log)
    {
        var after = new HarmonyMethod(AccessTools.Method(typeof(InputInjector), nameof(AfterMovementInput)));
        PatchMethod(typeof(PlayerInput), nameof(PlayerInput.MovementInput), null, after);
        var skip = new HarmonyMethod(AccessTools.Method(typeof(InputInjector), nameof(UnlessDriven)));
        foreach (var type in new[] { AccessTools.TypeByName("AlwaysUi"), AccessTools.TypeByName("PauseHandler") })
        {
            PatchMethod(type, "OnApplicationFocus", skip, null);
        }
        log("input: patched; a human plays until a client sends an action");
    }

    public void Unpatch() => _harmony.UnpatchSelf();

    /// <summary>This frame's controls; turns add up until they are looked.</summary>
    public void Add(in PlayControls controls)
    {
        Controls = controls;
        _yaw += controls.YawDegrees;
        _pitch += controls.PitchDegrees;
    }

    /// <summary>Turn the camera by hand: the game ignores look input while the cursor is free.</summary>
    public void Look()
    {
        var (yaw, pitch) = (_yaw, _pitch);
        (_yaw, _pitch) = (0, 0);
        if (!IsDriven || (yaw == 0 && pitch == 0) || MyPlayer.Instance == null)
        {
            return;
        }
        var input = MyPlayer.Instance.playerInput;
        var rotation = input.desiredCameraRotation;
        rotation.y += yaw;
        rotation.x = Math.Clamp(rotation.x - pitch, LowestPitch, HighestPitch);
        input.desiredCameraRotation = rotation;
        input.cameraRotation = rotation;
        if (Cursor.lockState == CursorLockMode.None && PlayerCamera.Instance != null)
        {
            PlayerCamera.Instance.CameraInput(rotation);
        }
    }

    private void PatchMethod(Type? type, string name, HarmonyMethod? before, HarmonyMethod? after)
    {
        var method = type is null ? null : AccessTools.Method(type, name);
        if (method is null)
        {
            Guarded.Once("patch " + name, $"input: this game has no {type?.Name ?? "type with"} {name}; left as it is");
            return;
        }
        _harmony.Patch(method, before, after);
    }

    /// <summary>After the game read the human's hands: the agent's instead, while it drives.</summary>
    private static void AfterMovementInput(PlayerInput __instance)
    {
        if (_current is not { IsDriven: true } injector)
        {
            return;
        }
        var controls = injector.Controls;
        __instance.moveHorizontal = controls.MoveX;
        __instance.moveVertical = controls.MoveY;
        __instance.holdingJump = controls.JumpHeld;
        __instance.holdingWallrun = controls.JumpHeld;
        __instance.sliding = controls.Slide;
        __instance.aiming = false;
        __instance.jumping = controls.JumpPressed;
        if (controls.JumpPressed)
        {
            // The game counts this buffer down in fixed ticks; refilling it every frame would never stop the jumps.
            __instance.currentJumpBufferTick = 0;
        }
        if (controls.InteractPressed)
        {
            __instance.interacting = true;
        }
    }

    private static bool UnlessDriven() => _current is not { IsDriven: true };
}
