// Stub: members of UnityEngine's other modules that the plugins use (screen capture, old input, UI's rectangles).
using System;

namespace UnityEngine
{
    public static class ScreenCapture
    {
        public static void CaptureScreenshotIntoRenderTexture(RenderTexture renderTexture) => throw null!;
    }

    public static class Input
    {
        public static bool GetMouseButtonDown(int button) => throw null!;

        public static Vector3 mousePosition => throw null!;
    }

    public enum RenderMode
    {
        ScreenSpaceOverlay = 0,
        ScreenSpaceCamera = 1,
        WorldSpace = 2,
    }

    public class Canvas : Behaviour
    {
        public Canvas rootCanvas => throw null!;

        public RenderMode renderMode => throw null!;

        public Camera worldCamera => throw null!;
    }

    public static class RectTransformUtility
    {
        public static Vector2 WorldToScreenPoint(Camera? camera, Vector3 worldPoint) => throw null!;
    }
}

namespace UnityEngine.Events
{
    public class UnityEvent : Il2CppSystem.Object
    {
        public void Invoke() => throw null!;
    }
}
