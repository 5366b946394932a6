// The one component in the game's scene: calls the parts each frame. Owns nothing.
using System;
using System.Collections;
using BepInEx.Unity.IL2CPP.Utils;
using Il2CppInterop.Runtime.Attributes;
using UnityEngine;

namespace BonkLink;

public sealed class Driver : MonoBehaviour
{
    public Driver(IntPtr pointer) : base(pointer)
    {
    }

    /// <summary>Set before the component is added.</summary>
    internal static Parts? Parts { get; set; }

    private void Start()
    {
        DontDestroyOnLoad(gameObject);
        this.StartCoroutine(EndsOfFrames());
    }

    private void FixedUpdate() => Parts?.FixedStep();

    private void Update() => Parts?.Frame();

    private void LateUpdate() => Parts?.LateFrame();

    [HideFromIl2Cpp]
    private static IEnumerator EndsOfFrames()
    {
        var end = new WaitForEndOfFrame();
        while (true)
        {
            yield return end;
            Parts?.EndOfFrame();
        }
    }
}
