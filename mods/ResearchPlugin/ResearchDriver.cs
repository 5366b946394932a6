// The one component of ResearchPlugin in the game's scene; all happens at the end of each frame.
using System;
using System.Collections;
using BepInEx.Unity.IL2CPP.Utils;
using Il2CppInterop.Runtime.Attributes;
using UnityEngine;

namespace ResearchPlugin;

public sealed class ResearchDriver : MonoBehaviour
{
    public ResearchDriver(IntPtr pointer) : base(pointer)
    {
    }

    /// <summary>Set before the component is added.</summary>
    internal static ResearchGame? Game { get; set; }

    private void Start()
    {
        DontDestroyOnLoad(gameObject);
        this.StartCoroutine(EndsOfFrames());
    }

    /// <summary>The engine calls it before it ends; BepInEx unloads no plugin then.</summary>
    private void OnApplicationQuit() => Game?.Dispose();

    [HideFromIl2Cpp]
    private static IEnumerator EndsOfFrames()
    {
        var end = new WaitForEndOfFrame();
        while (true)
        {
            yield return end;
            Game?.EndOfFrame();
        }
    }
}
