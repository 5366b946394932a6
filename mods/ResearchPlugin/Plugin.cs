// ResearchPlugin's door into the game: environment and wiring.
using BepInEx;
using BepInEx.Unity.IL2CPP;
using BonkLink;
using Il2CppInterop.Runtime.Injection;

namespace ResearchPlugin;

[BepInPlugin(Id, "ResearchPlugin", Version)]
public sealed class Plugin : BasePlugin
{
    public const string Id = "com.megabonk.research", Version = "1.0.0";
    private ResearchGame? _game;

    public override void Load()
    {
        Guarded.Warn = text => Log.LogWarning(text);
        var settings = ResearchSettings.FromEnvironment();
        _game = new ResearchGame(settings, text => Log.LogInfo(text));
        ClassInjector.RegisterTypeInIl2Cpp<ResearchDriver>();
        ResearchDriver.Game = _game;
        AddComponent<ResearchDriver>();
        _game.Start();
        var name = SharedFrame.NameOf(settings.Instance);
        Log.LogInfo($"{name}: {settings.Width}x{settings.Height}, seed {settings.Seed}, "
            + $"reward {settings.Rewards.Name}");
    }

    public override bool Unload()
    {
        _game?.Dispose();
        return true;
    }
}
