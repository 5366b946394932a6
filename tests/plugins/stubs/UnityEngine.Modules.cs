// Stand-in for UnityEngine's other modules that the plugins use (screen capture, old input, UI's rectangles).
namespace UnityEngine
{
    public static class ScreenCapture
    {
        /// <summary>Draws the fake screen: RGBA of a point, x from the left and y from the top, both 0…1.</summary>
        public static System.Func<float, float, (byte R, byte G, byte B)> Screen { get; set; } = (_, _) => (0, 0, 0);

        /// <summary>Rows as a readback gives them: bottom-up, or top-down where coordinates start at the top.</summary>
        public static void CaptureScreenshotIntoRenderTexture(RenderTexture renderTexture)
        {
            for (var row = 0; row < renderTexture.height; row++)
            {
                var fromTop = SystemInfo.graphicsUVStartsAtTop ? row : renderTexture.height - 1 - row;
                for (var x = 0; x < renderTexture.width; x++)
                {
                    var (r, g, b) = Screen((x + 0.5f) / renderTexture.width, (fromTop + 0.5f) / renderTexture.height);
                    var at = (row * renderTexture.width + x) * 4;
                    (renderTexture.Pixels[at], renderTexture.Pixels[at + 1]) = (r, g);
                    (renderTexture.Pixels[at + 2], renderTexture.Pixels[at + 3]) = (b, 255);
                }
            }
        }
    }

    public static class Input
    {
        public static bool Clicked { get; set; }

        public static bool GetMouseButtonDown(int button) => button == 0 && Clicked;

        public static Vector3 mousePosition { get; set; }
    }

    public enum RenderMode
    {
        ScreenSpaceOverlay = 0,
        ScreenSpaceCamera = 1,
        WorldSpace = 2,
    }

    public class Canvas : Behaviour
    {
        public Canvas rootCanvas => this;

        public RenderMode renderMode { get; set; }

        public Camera worldCamera { get; set; } = null!;
    }

    public static class RectTransformUtility
    {
        public static Vector2 WorldToScreenPoint(Camera? camera, Vector3 worldPoint) => new(worldPoint.x, worldPoint.y);
    }
}

namespace UnityEngine.Events
{
    public class UnityEvent : Il2CppSystem.Object
    {
        public System.Action? Happened;

        public void Invoke() => Happened?.Invoke();
    }
}
